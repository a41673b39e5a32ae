import type { Clock } from './clock.ts';

/** Something that is due after a while, and can be moved or taken back until then. */
export interface Deadline<T> {
  readonly item: T;
  /** By the clock that nobody sets. */
  atMs: number;
  /** Place in the heap; -1 when it is not in it. */
  index: number;
}

/** A longer one is not kept by every clock. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Any number of deadlines on one timer: a heap, so each change costs the logarithm of their number. The time of day may be set
 * meanwhile: none is due earlier or later for that.
 */
export class Deadlines<T> {
  readonly #clock: Clock;
  readonly #due: (item: T) => void;
  readonly #heap: Deadline<T>[] = [];
  #timer: unknown;
  #timerAtMs = Infinity;

  /** @param due called once for each deadline when its time has come */
  constructor(clock: Clock, due: (item: T) => void) {
    this.#clock = clock;
    this.#due = due;
  }

  get size(): number {
    return this.#heap.length;
  }

  addIn(item: T, waitMs: number): Deadline<T> {
    const deadline: Deadline<T> = { item, atMs: this.#clock.monotonicMs() + waitMs, index: -1 };
    this.#insert(deadline);
    return deadline;
  }

  /** Has one wait anew, also when it has passed. */
  moveIn(deadline: Deadline<T>, waitMs: number): void {
    this.#remove(deadline);
    deadline.atMs = this.#clock.monotonicMs() + waitMs;
    this.#insert(deadline);
  }

  /** Idempotent. */
  cancel(deadline: Deadline<T> | undefined): void {
    if (deadline !== undefined) this.#remove(deadline);
    if (this.#heap.length === 0) this.#unschedule();
  }

  close(): void {
    for (const deadline of this.#heap) deadline.index = -1;
    this.#heap.length = 0;
    this.#unschedule();
  }

  #insert(deadline: Deadline<T>): void {
    deadline.index = this.#heap.length;
    this.#heap.push(deadline);
    this.#rise(deadline);
    this.#schedule();
  }

  #remove(deadline: Deadline<T>): void {
    const { index } = deadline;
    if (index === -1) return;
    deadline.index = -1;
    const last = this.#heap.pop() as Deadline<T>;
    if (last === deadline) return;
    this.#place(last, index);
    this.#rise(last);
    this.#sink(last);
  }

  #place(deadline: Deadline<T>, index: number): void {
    this.#heap[index] = deadline;
    deadline.index = index;
  }

  #rise(deadline: Deadline<T>): void {
    let { index } = deadline;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#heap[parentIndex] as Deadline<T>;
      if (parent.atMs <= deadline.atMs) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(deadline, index);
  }

  #sink(deadline: Deadline<T>): void {
    let { index } = deadline;
    for (;;) {
      const left = this.#heap[2 * index + 1];
      const right = this.#heap[2 * index + 2];
      const earlier = right !== undefined && left !== undefined && right.atMs < left.atMs ? right : left;
      if (earlier === undefined || earlier.atMs >= deadline.atMs) break;
      const { index: next } = earlier;
      this.#place(earlier, index);
      index = next;
    }
    this.#place(deadline, index);
  }

  #schedule(): void {
    const first = this.#heap[0];
    if (first === undefined || first.atMs >= this.#timerAtMs) return;
    this.#unschedule();
    this.#timerAtMs = first.atMs;
    const delayMs = Math.min(Math.max(0, first.atMs - this.#clock.monotonicMs()), LONGEST_TIMER_MS);
    this.#timer = this.#clock.setTimeout(() => this.#fire(), delayMs);
  }

  #unschedule(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
  }

  #fire(): void {
    this.#timerAtMs = Infinity;
    const nowMs = this.#clock.monotonicMs();
    let first: Deadline<T> | undefined;
    while ((first = this.#heap[0]) !== undefined && first.atMs <= nowMs) {
      this.#remove(first);
      this.#due(first.item);
    }
    this.#schedule();
  }
}
