import type { Clock } from '../clock.ts';
import type { FeedRecord } from '../occurrence/feedEvent.ts';

/**
 * Receivers served before the event loop gets a turn. An event that matches 100,000 subscriptions would otherwise
 * hold up every other request of the process for tens of milliseconds.
 */
const SLICE = 2_000;

/** Events that may wait for dispatch before `emit` makes its caller wait too. */
const QUEUE_LIMIT = 64;

export interface DispatchTarget<T> {
  /** Receivers of the record, asked for when its turn comes. */
  candidates(record: FeedRecord): readonly T[];
  give(receiver: T, record: FeedRecord): void;
  /** Every receiver was given the record. */
  finished(record: FeedRecord): void;
}

/**
 * Gives events and gaps to receivers, one after the other, in slices. Small fan-outs finish within the call; a large one
 * goes on in later turns while later events queue, so order per receiver holds and the loop stays responsive.
 */
export class Dispatcher<T> {
  readonly #clock: Clock;
  readonly #target: DispatchTarget<T>;
  readonly #queue: FeedRecord[] = [];
  readonly #waiting: (() => void)[] = [];
  #receivers: readonly T[] | undefined;
  #next = 0;
  #running = false;

  constructor(clock: Clock, target: DispatchTarget<T>) {
    this.#clock = clock;
    this.#target = target;
  }

  /** A promise when the caller should wait before it adds more. */
  add(record: FeedRecord): Promise<void> | undefined {
    this.#queue.push(record);
    // A receiver may emit while it receives: that event waits for its turn in the queue.
    if (!this.#running) this.#run();
    if (this.#queue.length <= QUEUE_LIMIT) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  clear(): void {
    this.#queue.length = 0;
    this.#receivers = undefined;
    this.#next = 0;
    this.#release();
  }

  #run(): void {
    this.#running = true;
    let budget = SLICE;
    let record: FeedRecord | undefined;
    while ((record = this.#queue[0]) !== undefined) {
      this.#receivers ??= this.#target.candidates(record);
      const receivers = this.#receivers;
      while (this.#next < receivers.length && budget > 0) {
        budget--;
        this.#target.give(receivers[this.#next++] as T, record);
      }
      if (this.#next < receivers.length) {
        this.#clock.setImmediate(() => this.#run());
        return;
      }
      this.#receivers = undefined;
      this.#next = 0;
      this.#queue.shift();
      this.#target.finished(record);
      if (this.#waiting.length > 0 && this.#queue.length <= QUEUE_LIMIT) this.#release();
    }
    this.#running = false;
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
