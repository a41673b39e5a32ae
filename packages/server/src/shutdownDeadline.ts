import { numberOf } from '@mcp-events/protocol/options';
import type { Clock } from './clock.ts';
import { isPromise } from './maybePromise.ts';
import type { MaybePromise } from './maybePromise.ts';

/** What timers can count. */
const LONGEST_MS = 2 ** 31 - 1;

const deadline = numberOf({ least: 0, most: LONGEST_MS });

/** The time a server has for its end, all steps together. */
export class ShutdownDeadline {
  /** Whether there was one from the beginning: without it every step takes the time it takes. */
  readonly given: boolean;
  readonly #clock: Clock;
  readonly #passed: Promise<void>;
  #pass: () => void = () => {};
  readonly #timers: unknown[] = [];

  /** @throws TypeError for a deadline that is no time */
  constructor(clock: Clock, deadlineMs: number | undefined) {
    this.#clock = clock;
    this.given = deadlineMs !== undefined;
    this.#passed = new Promise((resolve) => (this.#pass = resolve));
    this.limit(deadlineMs);
  }

  /**
   * So much time is left at the most; without a time, what was left.
   *
   * @throws TypeError for what is no time
   */
  limit(deadlineMs: number | undefined): void {
    if (deadlineMs === undefined) return;
    deadline(deadlineMs, 'deadlineMs');
    this.#timers.push(this.#clock.setTimeout(this.#pass, deadlineMs));
  }

  /** Resolves when `work` is done, or the time is over: then the work goes on, or hangs, by itself. */
  async wait(work: MaybePromise<void> | undefined): Promise<void> {
    if (work !== undefined && isPromise(work)) await Promise.race([work, this.#passed]);
  }

  clear(): void {
    for (const timer of this.#timers) this.#clock.clearTimeout(timer);
  }
}
