import type { Clock } from './clock.ts';
import { isPromise } from './maybePromise.ts';
import type { MaybePromise } from './maybePromise.ts';

/** The time a server has for its end, all steps together. */
export class ShutdownDeadline {
  /** Whether there is one: without it every step takes the time it takes. */
  readonly given: boolean;
  readonly #clock: Clock;
  readonly #passed: Promise<void>;
  readonly #timer: unknown;

  /** Throws a `TypeError` for a deadline that is no time. */
  constructor(clock: Clock, deadlineMs: number | undefined) {
    this.#clock = clock;
    this.given = deadlineMs !== undefined;
    if (deadlineMs === undefined) this.#passed = new Promise(() => {});
    else {
      if (!(deadlineMs >= 0)) throw new TypeError(`deadlineMs must be a number of at least 0, not ${deadlineMs}`);
      let pass = (): void => {};
      this.#passed = new Promise((resolve) => (pass = resolve));
      this.#timer = clock.setTimeout(pass, deadlineMs);
    }
  }

  /** Resolves when `work` is done, or the time is over: then the work goes on, or hangs, by itself. */
  async wait(work: MaybePromise<void> | undefined): Promise<void> {
    if (work !== undefined && isPromise(work)) await Promise.race([work, this.#passed]);
  }

  clear(): void {
    this.#clock.clearTimeout(this.#timer);
  }
}
