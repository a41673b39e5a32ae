import type { EventOrder } from '@mcp-events/protocol';
import { type Clock, MAX_DELAY_MS } from '../clock.ts';
import { Holes } from './holes.ts';

/** Options of an {@link ArrivalOrder}. */
export interface ArrivalOrderOptions<T> {
  clock: Clock;
  /** How long an item waits for its predecessor, in milliseconds. Default 60000: a first retry comes within it. */
  maxWaitMs?: number;
  /** How many items wait at most. Default 1000. */
  maxWaiting?: number;
  /** How many bytes the waiting items hold at most, as told to `take`. Default 4 MiB. */
  maxWaitingBytes?: number;
  /** Positions that an earlier process released, the last one last. Default: none. */
  passed?: readonly string[];
  /** Gets the items in order. Must not throw. */
  release: (item: T) => void;
  /** Items may be missing before the next one released: a predecessor did not come within the bounds. Must not throw. */
  gap: () => void;
}

interface Waiting<T> {
  /** `undefined` for a place at which something is missing: it passes when its turn comes. */
  item: T | undefined;
  previous: string;
  bytes: number;
  deadlineMs: number;
}

/** Positions remembered as passed. The one that matters is nearly always the last. */
const MAX_PASSED = 1_000;

/** Places at which something is missing that may wait for their turn: they hold no item that would bound them. */
const MAX_MISSING = 1_000;

/**
 * After a gap that the server told, its next event may name a predecessor that never comes. It is waited for only as long
 * as posts sent at the same time may overtake each other: the time of one attempt.
 */
const WAIT_AFTER_TOLD_GAP_MS = 5_000;

/**
 * Puts arrivals back into the order of their subscription, by the place each one tells (ORDER-02). Within the bounds
 * nothing is lost, repeated or out of order; beyond them it tells a gap and goes on.
 *
 * A server that restarts begins a new chain: its first event has no predecessor, and what was sent before may come
 * again at another place. Old and new chain are followed side by side, so it does not matter which posts of the old one
 * still arrive.
 */
export class ArrivalOrder<T> {
  readonly #clock: Clock;
  readonly #maxWaitMs: number;
  readonly #maxWaiting: number;
  readonly #maxWaitingBytes: number;
  readonly #release: (item: T) => void;
  readonly #gap: () => void;
  /** By position, in order of arrival; none of them has a predecessor in `#passed`. */
  readonly #waiting = new Map<string, Waiting<T>>();
  /** Positions of `#waiting` by their predecessor. Two may name the same one, each in its own chain. */
  readonly #followers = new Map<string, string[]>();
  /** Places at which something is missing that were waited with for too long, by their predecessor. */
  readonly #aside = new Map<string, string>();
  readonly #passed: Set<string>;
  readonly #holes = new Holes();
  #last: string | undefined;
  #waitingBytes = 0;
  /** How many of `#waiting` are places at which something is missing. */
  #waitingMissing = 0;
  /** The next gap was told by the server. */
  #gapTold = false;
  #timer: { deadlineMs: number; handle: unknown } | undefined;
  #closed = false;

  constructor(options: ArrivalOrderOptions<T>) {
    this.#clock = options.clock;
    this.#maxWaitMs = options.maxWaitMs ?? 60_000;
    this.#maxWaiting = options.maxWaiting ?? 1_000;
    this.#maxWaitingBytes = options.maxWaitingBytes ?? 4 * 1024 * 1024;
    this.#release = options.release;
    this.#gap = options.gap;
    this.#passed = new Set(options.passed?.slice(-MAX_PASSED));
    this.#last = options.passed?.at(-1);
  }

  /** How many items, and places at which something is missing, wait for a predecessor. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether an arrival would have to wait for its predecessor: to be refused rather than taken, where room is scarce. */
  wouldWait(order: EventOrder | undefined): boolean {
    return typeof order?.previous === 'string' && !this.#passed.has(order.previous);
  }

  /**
   * Takes an arrival, to be released now or later. One that waits already is not taken twice.
   *
   * @param order absent if the server does not tell it: released at once
   * @param bytes what the item holds, for `maxWaitingBytes`
   * @returns `late` for an item whose turn is known to be over: it belongs where a gap was told, or another one was
   *   released at its place. It is not released, and what to do with it is for the caller to say
   */
  take(item: T, order: EventOrder | undefined, bytes = 0): 'taken' | 'late' {
    if (this.#closed) return 'taken';
    if (order === undefined) {
      this.#release(item);
      return 'taken';
    }
    if (this.#passed.has(order.position)) return 'late';
    const waiting = this.#waiting.get(order.position);
    if (waiting !== undefined) {
      if (waiting.item === undefined) this.#fill(waiting, item, bytes);
      this.#move(order.position, order);
      return 'taken';
    }
    if (this.#holes.take(order)) {
      this.#pass(order.position);
      return 'late';
    }
    this.#place(item, order, bytes);
    return 'taken';
  }

  /**
   * An item that was taken before arrived again, at another place: a new chain repeats it. If it still waits, it waits
   * there from now on; else its place counts as passed.
   *
   * @param isSame whether a waiting item is the one that arrived again
   */
  repeated(order: EventOrder, isSame: (item: T) => boolean): void {
    if (this.#closed || this.#passed.has(order.position)) return;
    for (const [position, { item }] of this.#waiting) {
      if (item === undefined || !isSame(item)) continue;
      // A place that another item waits at was used twice, against the rules: the first one counts.
      if (position === order.position || !this.#waiting.has(order.position)) this.#move(position, order);
      return;
    }
    // What was released had everything before it released or told as lost, so nothing is waited for here.
    if (order.previous === null) this.#holes.startChain();
    this.#last = order.position;
    this.#pass(order.position);
  }

  /**
   * The server told a gap, and the caller passes it on. If it names the places that are missing, these pass in their turn,
   * and everything else is waited for as before. If not, what waits is released in the best known order, and what is
   * missing before it is not waited for any more.
   *
   * @param missing places for which no item will come, in their order
   */
  settle(missing: readonly EventOrder[] = []): void {
    if (this.#closed) return;
    const known = missing.slice(-MAX_MISSING);
    const hasRoom = this.#waitingMissing + known.length <= MAX_MISSING;
    if (known.length === 0 || !hasRoom) {
      for (const oldest of this.#waiting.keys()) this.#releaseRun(oldest);
      this.#gapTold = true;
    }
    for (const order of known) this.#placeMissing(order);
    this.#schedule();
  }

  /** Drops what waits. Nothing is released from then on. */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#followers.clear();
    this.#aside.clear();
    this.#waitingBytes = 0;
    this.#waitingMissing = 0;
    this.#schedule();
  }

  #placeMissing({ position, previous }: EventOrder): void {
    if (this.#passed.has(position)) return;
    // Nothing comes before this place any more; what waits at it, or right before it, came all the same. Of anything else
    // that waits nothing is said: what comes before that may be on its way, in the chain that starts here.
    if (previous === null) {
      this.#releaseRun(position);
      this.#holes.startChain();
    }
    // One that waits here came all the same: only its acknowledgement was lost.
    if (this.#passed.has(position) || this.#waiting.has(position)) return;
    if (previous === null || this.#passed.has(previous)) {
      this.#last = position;
      this.#pass(position);
    } else this.#wait(undefined, { position, previous }, 0);
  }

  /** What was told as missing came, before its turn. */
  #fill(entry: Waiting<T>, item: T, bytes: number): void {
    entry.item = item;
    entry.bytes = bytes;
    this.#waitingBytes += bytes;
    this.#waitingMissing -= 1;
  }

  #place(item: T, order: EventOrder, bytes: number): void {
    const { position, previous } = order;
    if (previous === null || this.#passed.has(previous)) {
      if (previous === null) this.#holes.startChain();
      this.#gapTold = false;
      this.#last = position;
      this.#release(item);
      this.#pass(position);
      return;
    }
    this.#wait(item, { position, previous }, bytes);
    while (this.#waiting.size > this.#maxWaiting || this.#waitingBytes > this.#maxWaitingBytes) this.#giveUpOldest();
    this.#schedule();
  }

  #wait(item: T | undefined, { position, previous }: { position: string; previous: string }, bytes: number): void {
    const waitMs = this.#gapTold ? Math.min(WAIT_AFTER_TOLD_GAP_MS, this.#maxWaitMs) : this.#maxWaitMs;
    this.#waiting.set(position, { item, previous, bytes, deadlineMs: this.#clock.now() + waitMs });
    this.#follow(previous, position);
    this.#waitingBytes += bytes;
    if (item === undefined) this.#waitingMissing += 1;
  }

  /** A waiting item is known by another place from now on. It does not wait longer for that. */
  #move(from: string, order: EventOrder): void {
    const entry = this.#waiting.get(from);
    const { position, previous } = order;
    if (entry === undefined || (position === from && previous === entry.previous)) return;
    if (position !== from) this.#renamePrevious(from, position);
    if (previous === null || this.#passed.has(previous)) {
      this.#remove(from);
      if (entry.item !== undefined) this.#place(entry.item, order, entry.bytes);
      return;
    }
    this.#unfollow(entry.previous, from);
    this.#follow(previous, position);
    entry.previous = previous;
    if (position === from) return;
    // Made anew, since the order of the entries is that of their deadlines.
    const entries = [...this.#waiting];
    this.#waiting.clear();
    for (const [key, value] of entries) this.#waiting.set(key === from ? position : key, value);
  }

  /** What followed an item in the old chain follows it in the new one too, before what was sent after the restart. */
  #renamePrevious(from: string, to: string): void {
    const older = this.#followers.get(from);
    if (older === undefined) return;
    for (const position of older) {
      const entry = this.#waiting.get(position);
      if (entry !== undefined) entry.previous = to;
    }
    this.#followers.delete(from);
    this.#followers.set(to, [...older, ...(this.#followers.get(to) ?? [])]);
  }

  /**
   * Marks a position as passed and releases what waited for it. Depth first: of two that name one predecessor, the one
   * that arrived first is of the older chain, which lies before the newer one with all that follows in it.
   */
  #pass(position: string): void {
    const pending = [position];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const entry = this.#waiting.get(next);
      if (entry !== undefined) {
        this.#remove(next);
        this.#last = next;
        if (entry.item !== undefined) this.#release(entry.item);
      }
      this.#passed.add(next);
      pending.push(...(this.#followers.get(next) ?? []).toReversed());
      const aside = this.#aside.get(next);
      if (aside !== undefined && this.#aside.delete(next)) pending.push(aside);
    }
    for (const oldest of this.#passed) {
      if (this.#passed.size <= MAX_PASSED) break;
      this.#passed.delete(oldest);
    }
    this.#schedule();
  }

  #giveUpOldest(): void {
    const [oldest] = this.#waiting.keys();
    if (oldest === undefined) return;
    if (!this.#isAwaited(oldest)) {
      // It was told as a gap when it came. What it comes after may be long forgotten here, or still on its way.
      this.#setAside(oldest);
      return;
    }
    if (!this.#gapTold) this.#gap();
    this.#gapTold = false;
    this.#releaseRun(oldest);
  }

  /** Whether an item waits for its own turn, or for that of this place. */
  #isAwaited(position: string): boolean {
    const seen = new Set([position]);
    for (const next of seen) {
      if (this.#waiting.get(next)?.item !== undefined) return true;
      for (const follower of this.#followers.get(next) ?? []) seen.add(follower);
    }
    return false;
  }

  /** Waits no longer with a place at which something is missing, but lets it pass behind its predecessor. */
  #setAside(position: string): void {
    const entry = this.#waiting.get(position);
    if (entry === undefined) return;
    this.#remove(position);
    this.#aside.set(entry.previous, position);
    const [oldest] = this.#aside.keys();
    if (this.#aside.size > MAX_MISSING && oldest !== undefined) this.#aside.delete(oldest);
  }

  /** Releases what waits at a place, together with what is known to come right before and after it. */
  #releaseRun(of: string): void {
    let position = of;
    let entry = this.#waiting.get(of);
    if (entry === undefined) return;
    // Counted: predecessors that lie in a circle would have no first one.
    for (let steps = this.#waiting.size; steps > 0; steps -= 1) {
      const before = this.#waiting.get(entry.previous);
      if (before === undefined) break;
      position = entry.previous;
      entry = before;
    }
    this.#remove(position);
    this.#holes.add(this.#last, entry.previous);
    this.#last = position;
    if (entry.item !== undefined) this.#release(entry.item);
    this.#pass(position);
  }

  #remove(position: string): void {
    const entry = this.#waiting.get(position);
    if (entry === undefined) return;
    this.#waiting.delete(position);
    this.#waitingBytes -= entry.bytes;
    if (entry.item === undefined) this.#waitingMissing -= 1;
    this.#unfollow(entry.previous, position);
  }

  #follow(previous: string, position: string): void {
    const others = this.#followers.get(previous);
    if (others === undefined) this.#followers.set(previous, [position]);
    else others.push(position);
  }

  #unfollow(previous: string, position: string): void {
    const others = (this.#followers.get(previous) ?? []).filter((other) => other !== position);
    if (others.length === 0) this.#followers.delete(previous);
    else this.#followers.set(previous, others);
  }

  /** One timer, for the item that waits longest. */
  #schedule(): void {
    const [oldest] = this.#waiting.values();
    if (this.#timer?.deadlineMs === oldest?.deadlineMs) return;
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer.handle);
    this.#timer = undefined;
    if (oldest === undefined) return;
    const { deadlineMs } = oldest;
    const delayMs = Math.min(Math.max(0, deadlineMs - this.#clock.now()), MAX_DELAY_MS);
    this.#timer = { deadlineMs, handle: this.#clock.setTimeout(() => this.#onTimer(), delayMs) };
  }

  #onTimer(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.now();
    for (;;) {
      const [oldest] = this.#waiting.values();
      if (oldest === undefined || oldest.deadlineMs > nowMs) break;
      this.#giveUpOldest();
    }
    this.#schedule();
  }
}
