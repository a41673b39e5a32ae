import type { EventOrder } from '@mcp-events/protocol';
import { type Check, checkMembers, func, numberOf, wrongValue } from '@mcp-events/protocol/options';
import { checkClock, type Clock, MAX_DELAY_MS } from '../clock.ts';
import { Holes } from './holes.ts';
import { LinkedPlaces } from './linkedPlaces.ts';
import { reachAll, startsReachingAll } from './startsReachingAll.ts';

/** Options of an {@link ArrivalOrder}. */
export interface ArrivalOrderOptions<T> {
  /** What waits are measured with: `systemClock`, but for tests. */
  clock: Clock;
  /** How long an item waits for its predecessor, in milliseconds. Default 60000: a first retry comes within it. */
  maxWaitMs?: number;
  /** How many items wait at most, or Infinity. Default 1000. */
  maxWaiting?: number;
  /** How many bytes the waiting items hold at most, as told to `take`, or Infinity. Default 4 MiB. */
  maxWaitingBytes?: number;
  /** Positions that an earlier process released, the last one last. Default: none. */
  passed?: readonly string[];
  /** Gets the items in order. Must not throw. */
  release: (item: T) => void;
  /** Items may be missing before the next one released: a predecessor did not come within the bounds. Must not throw. */
  gap: () => void;
  /**
   * Asked before such a gap where a chain began while others waited, so that which of them come first is not known either.
   * Whoever has everything sent again, in one chain, closes this order and returns true. Default: a gap is told, and those
   * that came first go first. Must not throw.
   */
  restart?: () => boolean;
}

const bound: Check = numberOf({ least: 0, unlimited: true });

const orderOptions = {
  clock: checkClock,
  maxWaitMs: numberOf({ least: 0 }),
  maxWaiting: bound,
  maxWaitingBytes: bound,
  passed: (value: unknown, what: string): void => {
    if (!Array.isArray(value)) throw wrongValue(what, 'an array of positions', value);
  },
  release: func,
  gap: func,
  restart: func,
};

interface Waiting<T> {
  readonly item: T;
  /** Null for one that begins a chain. */
  previous: string | null;
  /** When it was sent, nothing before it was outstanding. */
  readonly isConfirmed: boolean;
  readonly bytes: number;
  readonly deadlineMs: number;
}

/** Positions remembered as passed. The one that matters is nearly always the last. */
const MAX_PASSED = 1_000;

/** Empty places remembered: no item bounds them. Behind one that was forgotten an item waits as behind one that is overdue. */
const MAX_EMPTY = 1_000;

/**
 * Puts arrivals back into the order of their subscription, by the place each one tells (ORDER-02). Within the bounds
 * nothing is lost, repeated or out of order; beyond them it tells a gap and goes on.
 *
 * A server that restarts begins a new chain: its first event has no predecessor, and what was sent before may come
 * again at another place. Old and new chain are followed side by side, so it does not matter which posts of the old one
 * still arrive. While items wait for a place that the new chain has not led to yet, nobody can say whether it begins before
 * or behind them, so its first item waits until they have been reached, or are gone (ORDER-08).
 */
export class ArrivalOrder<T> {
  readonly #clock: Clock;
  readonly #maxWaitMs: number;
  readonly #maxWaiting: number;
  readonly #maxWaitingBytes: number;
  readonly #release: (item: T) => void;
  readonly #gap: () => void;
  readonly #restart: () => boolean;
  /** In order of arrival; none of them has a predecessor in `#passed`. */
  readonly #waiting = new LinkedPlaces<Waiting<T>>();
  /**
   * Places without an item of their own: one that is missing, as a gap told, or that waits at another place. They pass
   * right behind their predecessor, however late that comes.
   */
  readonly #empty = new LinkedPlaces<{ previous: string }>(MAX_EMPTY);
  readonly #passed: Set<string>;
  readonly #holes = new Holes();
  #last: string | undefined;
  #waitingBytes = 0;
  /** The server told a gap without its places: the next event may name a predecessor that never comes. */
  #gapTold = false;
  #timer: { deadlineMs: number; handle: unknown } | undefined;
  #closed = false;

  /** @throws TypeError for an option that is missing, does not exist or cannot be used */
  constructor(options: ArrivalOrderOptions<T>) {
    checkMembers<Required<ArrivalOrderOptions<T>>>(options, orderOptions, 'the options of ArrivalOrder');
    for (const name of ['release', 'gap'] as const) func(options[name], name);
    checkClock(options.clock, 'clock');
    this.#clock = options.clock;
    const { maxWaitMs = 60_000, maxWaiting = 1_000, maxWaitingBytes = 4 * 1024 * 1024 } = options;
    this.#maxWaitMs = maxWaitMs;
    this.#maxWaiting = maxWaiting;
    this.#maxWaitingBytes = maxWaitingBytes;
    this.#release = options.release;
    this.#gap = options.gap;
    this.#restart = options.restart ?? (() => false);
    this.#passed = new Set(options.passed?.slice(-MAX_PASSED));
    this.#last = options.passed?.at(-1);
  }

  /** How many items wait for a predecessor. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** The place released last, if any told one. */
  get last(): string | undefined {
    return this.#last;
  }

  /** Whether an arrival may have to wait for others: to be refused rather than taken, where room is scarce. */
  wouldWait(order: EventOrder | undefined): boolean {
    if (order === undefined) return false;
    return order.previous === null ? this.#meetsOthers : !this.#passed.has(order.previous);
  }

  /**
   * Takes an arrival, to be released now or later. One that waits already is not taken twice.
   *
   * @param order absent if the server does not tell it: released at once
   * @param bytes what the item holds, for `maxWaitingBytes`
   * @param cursor that came with it. Where it is the item's own place nothing before that is outstanding, so that after a gap
   *   without places nothing before it is waited for (ORDER-09)
   * @returns `late` for an item whose turn is known to be over: it belongs where a gap was told, or another one was
   *   released at its place, and nothing waits for it. It is not released, and what to do with it is for the caller to say
   */
  take(item: T, order: EventOrder | undefined, bytes = 0, cursor: string | null = null): 'taken' | 'late' {
    if (this.#closed) return 'taken';
    if (order === undefined) {
      this.#release(item);
      return 'taken';
    }
    const { position, previous } = order;
    if (this.#passed.has(position)) return 'late';
    if (this.#waiting.get(position) !== undefined) {
      this.#relink(position, order);
      this.#passStarts();
      return 'taken';
    }
    // What a gap told as missing may come all the same: only its acknowledgement was lost.
    this.#empty.delete(position);
    if (this.#holes.take(order)) {
      const isAwaited = this.#isAwaited(position);
      // Those that wait for it are released with its place, and come behind it.
      if (isAwaited) this.#release(item);
      this.#pass(position);
      this.#passStarts();
      return isAwaited ? 'taken' : 'late';
    }
    if (previous === null ? !this.#meetsOthers : this.#passed.has(previous)) {
      if (previous === null) this.#holes.startChain();
      // One that was outstanding when the gap was told says nothing of what it left out.
      if (previous === null || cursor === position) this.#gapTold = false;
      this.#last = position;
      this.#release(item);
      this.#pass(position);
    } else this.#wait(item, order, bytes, cursor === position);
    this.#passStarts();
    if (this.#gapTold) this.#passConfirmed();
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
      if (!isSame(item)) continue;
      // A place that another item waits at was used twice, against the rules: the first one counts.
      if (position === order.position || this.#waiting.get(order.position) === undefined) this.#relink(position, order);
      this.#passStarts();
      return;
    }
    // What was released had everything before it released or told as lost, so nothing is waited for here.
    if (order.previous === null) this.#holes.startChain();
    this.#last = order.position;
    this.#pass(order.position);
    this.#passStarts();
  }

  /**
   * The server told a gap, and the caller passes it on. If it names the places that are missing, these pass in their turn,
   * and everything else is waited for as before. If not, what waits is released in the best known order, what is missing
   * before it is not waited for any more, and neither is what is missing before the next item that says it need not be.
   *
   * @param missing places for which no item will come, in their order
   */
  settle(missing: readonly EventOrder[] = []): void {
    if (this.#closed) return;
    for (const order of missing) this.#placeMissing(order);
    if (missing.length > 0) {
      this.#passStarts();
      return;
    }
    for (const [oldest] of this.#waiting) this.#passRun(oldest);
    this.#gapTold = true;
  }

  /** Drops what waits. Nothing is released from then on. */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#empty.clear();
    this.#waitingBytes = 0;
    this.#schedule();
  }

  #placeMissing({ position, previous }: EventOrder): void {
    if (this.#passed.has(position)) return;
    if (previous === null) {
      // Nothing comes before this place any more; what waits at it, or leads to it, came all the same. Of anything else
      // that waits nothing is said: what comes before that may be on its way, in the chain that starts here.
      this.#passRun(position);
      this.#holes.startChain();
      return;
    }
    // One that waits here came all the same: only its acknowledgement was lost.
    if (this.#waiting.get(position) !== undefined) return;
    if (this.#passed.has(previous)) {
      this.#last = position;
      this.#pass(position);
    } else this.#empty.add(position, { previous });
  }

  #isAwaited(position: string): boolean {
    return this.#waiting.behind(position).length > 0 || this.#empty.behind(position).length > 0;
  }

  /** Whether items wait that came before a chain which begins now. Those that came before the first chain are its own. */
  get #meetsOthers(): boolean {
    return this.#last !== undefined && this.#waiting.size > 0;
  }

  #wait(item: T, { position, previous }: EventOrder, bytes: number, isConfirmed: boolean): void {
    const deadlineMs = this.#clock.monotonicMs() + this.#maxWaitMs;
    this.#waiting.add(position, { item, previous, isConfirmed, bytes, deadlineMs });
    this.#waitingBytes += bytes;
    while (this.#waiting.size > this.#maxWaiting || this.#waitingBytes > this.#maxWaitingBytes) this.#giveUpOldest();
    this.#schedule();
  }

  /** A waiting item comes where this order tells from now on. It does not wait longer for that. */
  #relink(at: string, { position, previous }: EventOrder): void {
    // What followed it in the old chain follows it in the new one too, before what was sent after the restart.
    if (position !== at) this.#empty.add(position, { previous: at });
    if (previous === null ? this.#last !== undefined : !this.#passed.has(previous)) {
      this.#waiting.relink(at, previous);
      return;
    }
    if (previous === null) this.#holes.startChain();
    this.#gapTold = false;
    this.#pass(at);
  }

  /** Chains that began while items waited go on once each of these is known to follow in one of them. */
  #passStarts(): void {
    for (const start of startsReachingAll(this.#waiting, this.#empty)) {
      this.#gapTold = false;
      this.#holes.startChain();
      this.#pass(start);
    }
  }

  /**
   * Marks a position as passed and releases what waited for it. Depth first: of two that name one predecessor, the one
   * that arrived first is of the older chain, which lies before the newer one with all that follows in it.
   */
  #pass(position: string): void {
    const pending = [position];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const entry = this.#waiting.delete(next);
      if (entry !== undefined || this.#empty.delete(next) !== undefined) this.#last = next;
      if (entry !== undefined) {
        this.#waitingBytes -= entry.bytes;
        this.#release(entry.item);
      }
      this.#passed.add(next);
      for (const behind of this.#empty.behind(next)) pending.push(behind);
      for (const behind of this.#waiting.behind(next).toReversed()) pending.push(behind);
    }
    for (const oldest of this.#passed) {
      if (this.#passed.size <= MAX_PASSED) break;
      this.#passed.delete(oldest);
    }
    this.#schedule();
  }

  /**
   * Nothing comes any more for what is missing before a confirmed item. It goes on if everything else that waits is known to
   * come right before or after it: of anything else nobody can say on which side it lies.
   */
  #passConfirmed(): void {
    for (const [position, { isConfirmed }] of this.#waiting) {
      if (!isConfirmed || !reachAll([this.#runOf(position).first], this.#waiting, this.#empty)) continue;
      this.#gapTold = false;
      this.#passRun(position);
      return;
    }
  }

  /** The first of those that are known to come right before this place, and what is missing before that. */
  #runOf(position: string): { readonly first: string; readonly missing: string | null | undefined } {
    let first = position;
    let missing = this.#previousOf(first);
    // Counted: predecessors that lie in a circle would have no first one.
    for (let steps = this.#waiting.size + this.#empty.size; steps > 0 && typeof missing === 'string'; steps -= 1) {
      const before = this.#previousOf(missing);
      if (before === undefined) break;
      first = missing;
      missing = before;
    }
    return { first, missing };
  }

  /** Lets a place pass without what is missing before it, together with what is known to come right before and after it. */
  #passRun(position: string): void {
    const { first, missing } = this.#runOf(position);
    if (missing === null) this.#holes.startChain();
    else if (missing !== undefined) this.#holes.add(this.#last, missing);
    this.#last = first;
    this.#pass(first);
  }

  #previousOf(position: string): string | null | undefined {
    return (this.#waiting.get(position) ?? this.#empty.get(position))?.previous;
  }

  #giveUpOldest(): void {
    const [oldest] = this.#waiting;
    if (oldest === undefined) return;
    if (this.#waiting.behind(null).length > 0 && this.#restart()) return;
    this.#gap();
    this.#gapTold = false;
    this.#passRun(oldest[0]);
    this.#passStarts();
  }

  /** One timer, for the item that waits longest. */
  #schedule(): void {
    const [oldest] = this.#waiting;
    const deadlineMs = oldest?.[1].deadlineMs;
    if (this.#timer?.deadlineMs === deadlineMs) return;
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer.handle);
    this.#timer = undefined;
    if (deadlineMs === undefined) return;
    const delayMs = Math.min(Math.max(0, deadlineMs - this.#clock.monotonicMs()), MAX_DELAY_MS);
    this.#timer = { deadlineMs, handle: this.#clock.setTimeout(() => this.#onTimer(), delayMs) };
  }

  #onTimer(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (const [, { deadlineMs }] of this.#waiting) {
      if (deadlineMs > nowMs) break;
      this.#giveUpOldest();
    }
    this.#schedule();
  }
}
