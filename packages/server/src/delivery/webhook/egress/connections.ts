import type { Clock } from '../../../clock.ts';
import { Connection } from './connection.ts';
import type { ConnectionSettings, ConnectionUser, OriginPool } from './connection.ts';

const SWEEP_INTERVAL_MS = 500;
/** No connection is kept idle for as long after this machine had no room for one more. */
const SCARCE_MS = 5_000;
/** Idle connections are closed after about 4 s, before common servers do it (5 s): few requests meet a closing one. */
const IDLE_SWEEPS = 8;
/** An answer whose body nobody wants gets about 1 s to end, so that its connection can be used again. */
const DISCARD_SWEEPS = 2;
/**
 * Bytes an answer may bring, whatever they are: more than the largest that is wanted, its headers and what TLS adds. Looked
 * at in each sweep, as not everything that can be sent without an end is told of by the parser (SSRF-13).
 */
const MAX_ANSWER_BYTES = 512 * 1024;

/** Connections of all origins that serve no attempt. Those that do are bounded by who makes the attempts. */
const MAX_SPARE = 1_024;

/**
 * Connections by origin and checked address, bounded per origin. Whoever finds none free waits until its own time limit
 * ends.
 */
export class Connections {
  readonly #clock: Clock;
  readonly #settings: ConnectionSettings;
  readonly #maxPerOrigin: number;
  readonly #pools = new Map<string, OriginPool>();
  #spareCount = 0;
  #sweeper: unknown;
  #closed = false;
  /** When this machine last had no room for one more. */
  #scarceAtMs = -Infinity;

  constructor(clock: Clock, settings: ConnectionSettings, maxPerOrigin: number) {
    this.#clock = clock;
    this.#settings = settings;
    this.#maxPerOrigin = maxPerOrigin;
  }

  /** Gives `user` a connection, now or as soon as the origin has room for it. */
  acquire(user: ConnectionUser): void {
    if (this.#closed) {
      user.refuse();
      return;
    }
    const { origin } = user.target;
    let pool = this.#pools.get(origin);
    if (pool === undefined) this.#pools.set(origin, (pool = { origin, all: new Set(), idle: [], waiting: new Set() }));
    const connection = takeIdle(pool.idle, user.addresses);
    if (connection !== undefined) this.#hand(connection, user);
    else if (pool.all.size < this.#maxPerOrigin) this.#open(pool, user);
    else {
      pool.waiting.add(user);
      // Idle, but to an address this user was not given: it makes room.
      if (pool.idle[0] !== undefined) this.destroy(pool.idle[0]);
    }
  }

  /** The user waits no longer. */
  withdraw(user: ConnectionUser): void {
    this.#pools.get(user.target.origin)?.waiting.delete(user);
  }

  /** The attempt has what it wanted; its answer may go on. */
  spare(connection: Connection): void {
    if (connection.spare) return;
    connection.spare = true;
    connection.sweeps = 0;
    this.#spareCount++;
    if (this.#spareCount > MAX_SPARE) this.destroy(connection);
  }

  /** The answer has ended: the connection is free. */
  release(connection: Connection): void {
    const { pool } = connection;
    if (!pool.all.has(connection)) return;
    for (const user of pool.waiting) {
      if (!user.addresses.includes(connection.address)) continue;
      pool.waiting.delete(user);
      this.#hand(connection, user);
      return;
    }
    this.spare(connection);
    // Whoever still waits was given other addresses: the room is worth more to them than this connection.
    const isScarce = this.#clock.monotonicMs() - this.#scarceAtMs < SCARCE_MS;
    if (pool.waiting.size > 0 || isScarce) this.destroy(connection);
    if (!pool.all.has(connection)) return;
    connection.idle = true;
    pool.idle.push(connection);
  }

  /** Closes a connection, whatever it does. Idempotent. */
  destroy(connection: Connection): void {
    const { pool } = connection;
    if (!pool.all.delete(connection)) return;
    if (connection.spare) this.#spareCount--;
    if (connection.idle) pool.idle.splice(pool.idle.indexOf(connection), 1);
    const [next] = pool.waiting;
    if (next !== undefined) {
      pool.waiting.delete(next);
      this.#open(pool, next);
    } else if (pool.all.size === 0) this.#pools.delete(pool.origin);
    // Last, because the request on it fails within this call, and its attempt may come for another connection.
    connection.destroy();
  }

  /** This machine has no room for one more: what serves nobody at the moment makes some, for the next attempt. */
  makeRoom(): void {
    this.#scarceAtMs = this.#clock.monotonicMs();
    if (this.#spareCount === 0) return;
    for (const { all } of this.#pools.values()) {
      for (const connection of all) if (connection.spare) this.destroy(connection);
    }
  }

  /** Closes everything. Attempts that wait or run fail. */
  close(): void {
    this.#closed = true;
    this.#clock.clearTimeout(this.#sweeper);
    for (const { all, waiting } of this.#pools.values()) {
      for (const user of waiting) user.refuse();
      waiting.clear();
      for (const connection of all) this.destroy(connection);
    }
  }

  #open(pool: OriginPool, user: ConnectionUser): void {
    let connection: Connection;
    try {
      connection = new Connection(this.#settings, pool, user.target, user.addresses[0] as string);
    } catch (error) {
      if (pool.all.size === 0) this.#pools.delete(pool.origin);
      user.break(error);
      return;
    }
    pool.all.add(connection);
    this.#sweeper ??= this.#clock.setTimeout(() => this.#sweep(), SWEEP_INTERVAL_MS);
    user.use(connection);
  }

  #hand(connection: Connection, user: ConnectionUser): void {
    if (connection.spare) this.#spareCount--;
    connection.spare = false;
    connection.idle = false;
    user.use(connection);
  }

  /** One timer for all connections, counted in its turns: neither many connections nor a jumping clock matter. */
  #sweep(): void {
    this.#sweeper = undefined;
    for (const { all } of this.#pools.values()) {
      for (const connection of all) {
        if (!connection.idle && connection.receivedBytes > MAX_ANSWER_BYTES) this.destroy(connection);
        if (!connection.spare) continue;
        connection.sweeps++;
        if (connection.sweeps >= (connection.idle ? IDLE_SWEEPS : DISCARD_SWEEPS)) this.destroy(connection);
      }
    }
    if (this.#pools.size > 0) this.#sweeper = this.#clock.setTimeout(() => this.#sweep(), SWEEP_INTERVAL_MS);
  }
}

function takeIdle(idle: Connection[], addresses: readonly string[]): Connection | undefined {
  for (let index = idle.length - 1; index >= 0; index--) {
    const connection = idle[index] as Connection;
    if (!addresses.includes(connection.address)) continue;
    idle.splice(index, 1);
    return connection;
  }
  return undefined;
}
