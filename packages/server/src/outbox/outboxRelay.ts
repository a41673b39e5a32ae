import type { Emission } from '../catalog/eventTypes.ts';
import { EventIdTaken } from '../catalog/emitter.ts';
import type { PreparedEvent } from '../catalog/emitter.ts';
import type { Clock } from '../clock.ts';
import { readNote } from '../storage/readNote.ts';
import type { Notes } from '../storage/storage.ts';
import { isInTransaction } from './outboxDatabase.ts';
import type { OutboxDatabase } from './outboxDatabase.ts';
import { OutboxShared } from './outboxTable.ts';
import type { OutboxPosition, OutboxRow, OutboxTable, Refusal } from './outboxTable.ts';
import type { StorageId } from './storageId.ts';

/** Rows that are moved before they are deleted together. */
const BATCH = 100;

/** How often the outbox is looked at without being told: another process may have added to it. */
const LOOK_MS = 1_000;

/** First wait for a transaction that goes on, or for what failed; doubles up to {@link LOOK_MS}. */
const RETRY_MS = 1;

/** How long a row waits for its event type to be offered; whoever starts up defines them one after the other. */
const UNKNOWN_TYPE_MS = 60_000;

/** Names that are remembered of rows whose type is not offered; a process that makes them up must not fill memory. */
const MAX_UNKNOWN_TYPES = 1_000;

export interface OutboxRelayOptions {
  readonly db: OutboxDatabase;
  readonly table: OutboxTable;
  readonly notes: Notes;
  /** Names the storage that owns the outbox; absent where it does not outlive the process, and owns nothing. */
  readonly storageId: StorageId | undefined;
  readonly clock: Clock;
  readonly emission: (name: string) => Emission | undefined;
  readonly report: (error: unknown, name?: string) => void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What became of one look at the outbox. */
type Outcome = { readonly kind: 'empty' | 'later' } | { readonly kind: 'failed'; readonly error: unknown };

/**
 * Moves rows of an outbox into the log, one after the other and each with a note of its number: event and note are
 * stored together, so a crash before the row is deleted repeats nothing. One row at a time, because a note that is
 * stored says that everything before it was.
 */
export class OutboxRelay {
  readonly #options: OutboxRelayOptions;
  readonly #noteKey: string;
  /** Everything up to here is in the log or refused. */
  #moved: OutboxPosition;
  /** Rows that were moved or refused, and are not deleted yet. */
  #unsettled = false;
  #refusals: Refusal[] = [];
  /**
   * Since when rows wait for their type, by its name and by a clock that nobody sets: all of one name for the same minute, not one
   * after the other.
   */
  readonly #unknownSinceMs = new Map<string, number>();
  #waiters: Waiter[] = [];
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #woken = false;
  #timer: unknown;
  #waitMs = RETRY_MS;
  /** So that a failure that goes on is told once. */
  #failing = false;
  #closed = false;
  /** The database says that the outbox is this storage's. */
  #claimed = false;

  constructor(options: OutboxRelayOptions) {
    this.#options = options;
    this.#noteKey = `outbox:${options.table.outboxId}`;
    this.#moved = this.#lastMoved();
    this.#lookIn(0);
  }

  /** Rows may have been added: looks at the end of this turn, when a synchronous transaction is over. */
  wake(): void {
    if (this.#woken || this.#closed) return;
    this.#woken = true;
    this.#waitMs = RETRY_MS;
    this.#options.clock.setImmediate(() => {
      this.#woken = false;
      this.#look();
    });
  }

  /** Resolves when a look finds nothing left; rejects with what holds it up. */
  flush(): Promise<void> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.wake();
    });
  }

  /** Nothing is moved any more. Resolves when the row on its way is stored, or has failed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.clock.clearTimeout(this.#timer);
    await this.#looking;
    try {
      if (this.#unsettled && !isInTransaction(this.#options.db)) this.#settle();
    } catch {
      // The database is closed already, or busy. The log's note says the same.
    }
    for (const { reject } of this.#waiters.splice(0)) reject(closedError());
  }

  /**
   * The database knows what it deleted, the log what it got. The log knows more after a crash between the two, but only if
   * the row is still there: otherwise the database was set back to an older copy, and its numbers mean other rows. An
   * event that retention has removed from the log is known to have been there from the note alone.
   */
  #lastMoved(): OutboxPosition {
    const { table, notes } = this.#options;
    const deleted = table.moved;
    const note = readNote(notes, {
      key: this.#noteKey,
      about: 'what was moved last from an outbox',
      isValid: isMovedNote,
      without:
        'events whose way from the outbox was cut off are then moved again, and the log keeps out those it still has',
    });
    if (note === undefined) return deleted;
    const [id, token] = note;
    return id > deleted.id && table.has({ id, token }) ? { id, token } : deleted;
  }

  #look(): void {
    if (this.#closed) return;
    if (this.#looking !== undefined) {
      this.#lookAgain = true;
      return;
    }
    this.#options.clock.clearTimeout(this.#timer);
    this.#looking = this.#moveAll().then((outcome) => {
      this.#looking = undefined;
      this.#looked(outcome);
    });
  }

  #looked(outcome: Outcome): void {
    if (this.#closed) return;
    if (outcome.kind === 'failed') {
      if (!this.#failing) this.#options.report(outcome.error);
      this.#failing = true;
      for (const { reject } of this.#waiters.splice(0)) reject(outcome.error);
    } else this.#failing = false;
    if (this.#lookAgain) {
      this.#lookAgain = false;
      this.wake();
      return;
    }
    if (outcome.kind === 'empty') {
      this.#waitMs = RETRY_MS;
      for (const { resolve } of this.#waiters.splice(0)) resolve();
      this.#lookIn(LOOK_MS);
      return;
    }
    this.#lookIn(this.#waitMs);
    this.#waitMs = Math.min(2 * this.#waitMs, LOOK_MS);
  }

  #lookIn(delayMs: number): void {
    this.#timer = this.#options.clock.setTimeout(() => this.#look(), delayMs);
  }

  async #moveAll(): Promise<Outcome> {
    const { db, table } = this.#options;
    try {
      for (;;) {
        // Rows of an open transaction may be taken back, and its end is not ours to decide.
        if (isInTransaction(db)) return { kind: 'later' };
        if (!this.#claimed && !(await this.#claim())) return { kind: 'later' };
        if (this.#unsettled) this.#settle();
        else table.assertOurs();
        if (this.#closed) return { kind: 'later' };
        const rows = table.after(this.#moved.id, BATCH);
        if (rows.length === 0) return { kind: 'empty' };
        if (!(await this.#moveRows(rows))) return { kind: 'later' };
      }
    } catch (error) {
      // Whose it is, is asked again before anything is moved.
      if (error instanceof OutboxShared) this.#claimed = false;
      return { kind: 'failed', error };
    }
  }

  /**
   * Nothing is moved before the storage knows its own id for good: a crash in between would leave an owner that is not
   * there. `false` when a transaction was begun meanwhile.
   */
  async #claim(): Promise<boolean> {
    const { db, table, storageId } = this.#options;
    if (storageId !== undefined) {
      await storageId.store();
      if (isInTransaction(db) || this.#closed) return false;
      if (table.claim(storageId.value) !== storageId.value) throw new OutboxShared();
    }
    this.#claimed = true;
    return true;
  }

  #settle(): void {
    this.#options.table.settle(this.#moved, this.#refusals);
    this.#unsettled = false;
    this.#refusals = [];
  }

  /** `false` when one of them has to wait. Rejects when the log cannot store it. */
  async #moveRows(rows: readonly OutboxRow[]): Promise<boolean> {
    for (const { name } of rows) this.#noteType(name);
    for (const row of rows) {
      if (this.#closed) return false;
      const emission = this.#options.emission(row.name);
      if (emission === undefined && this.#mayCome(row.name)) return false;
      const prepared = prepare(row, emission);
      // What the log notes of a row says of all before it that they are done: refusals among them are stored first.
      if (!(prepared instanceof Error) && this.#refusals.length > 0) {
        if (isInTransaction(this.#options.db)) return false;
        this.#settle();
      }
      const refusal = prepared instanceof Error ? prepared : await this.#append(row, emission as Emission, prepared);
      if (this.#closed && refusal !== undefined) return false;
      if (refusal !== undefined) this.#refuse(row, refusal);
      this.#moved = { id: row.id, token: row.token };
      this.#unsettled = true;
    }
    return true;
  }

  /** What refuses the row, if anything does: the log then notes nothing of it. */
  async #append(row: OutboxRow, emission: Emission, prepared: PreparedEvent): Promise<Error | undefined> {
    try {
      await emission.append(prepared, { key: this.#noteKey, value: JSON.stringify([row.id, row.token]) });
      return undefined;
    } catch (error) {
      if (error instanceof EventIdTaken) return error;
      throw error;
    }
  }

  #noteType(name: string): void {
    if (this.#options.emission(name) !== undefined) {
      this.#unknownSinceMs.delete(name);
      return;
    }
    if (this.#unknownSinceMs.has(name)) return;
    if (this.#unknownSinceMs.size >= MAX_UNKNOWN_TYPES) this.#unknownSinceMs.clear();
    this.#unknownSinceMs.set(name, this.#options.clock.monotonicMs());
  }

  #mayCome(name: string): boolean {
    this.#noteType(name);
    const nowMs = this.#options.clock.monotonicMs();
    return nowMs < (this.#unknownSinceMs.get(name) ?? nowMs) + UNKNOWN_TYPE_MS;
  }

  #refuse(row: OutboxRow, error: Error): void {
    const refusedAt = new Date(this.#options.clock.now()).toISOString();
    this.#refusals.push({ row, reason: error.message, refusedAt });
    this.#options.report(error, row.name);
  }
}

/** The event of a row, or why there is none. */
function prepare(row: OutboxRow, emission: Emission | undefined): PreparedEvent | Error {
  try {
    if (emission === undefined) throw new TypeError(`there is no event type ${JSON.stringify(row.name)}`);
    if (!emission.hasLog) throw new TypeError(`${row.name} has no log`);
    return emission.prepare(parse(row, 'data'), optionsOf(row));
  } catch (error) {
    return error instanceof Error ? error : new TypeError(`an event of ${row.name} cannot be read`);
  }
}

function isMovedNote(value: unknown): value is [id: number, token: string] {
  return Array.isArray(value) && typeof value[0] === 'number' && typeof value[1] === 'string';
}

function optionsOf(row: OutboxRow): Parameters<Emission['prepare']>[1] {
  const { event_id: eventId, timestamp, meta, target } = row;
  return {
    eventId,
    timestamp,
    ...(meta === null ? {} : { _meta: parse(row, 'meta') as Record<string, unknown> }),
    ...(target === null ? {} : { target }),
  };
}

/** What the engine says of a failure quotes the text, and payloads are not for logs. */
function parse(row: OutboxRow, column: 'data' | 'meta'): unknown {
  try {
    return JSON.parse(row[column] ?? '');
  } catch {
    throw new TypeError(`${column} of an event of ${row.name} is no JSON`);
  }
}

function closedError(): TypeError {
  return new TypeError('the outbox was closed');
}
