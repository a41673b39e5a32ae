import { type Check, having } from '@mcp-events/protocol/options';
import { onAborted } from './untilAborted.ts';

/**
 * Where the client takes its time from. Pass your own to test without waiting.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch: the time of day, which may be set. */
  now(): number;
  /**
   * Milliseconds since some moment, by a clock that nobody sets, as timers count them: what waits and ages are measured with.
   */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`; the return value is only ever given back to {@link Clock.clearTimeout}. */
  setTimeout(callback: () => void, delayMs: number): unknown;
  /** Forgets a timer; unknown and past ones are ignored. */
  clearTimeout(timer: unknown): void;
}

/** @throws TypeError for what is no clock */
export const checkClock: Check = having(
  ['now', 'monotonicMs', 'setTimeout', 'clearTimeout'],
  'a Clock, as systemClock is',
);

/**
 * Measures how long ago something was. The time of day counts only where it says more: timers, and the clock that nobody sets,
 * stand still while a computer sleeps.
 */
export class Age {
  readonly #clock: Clock;
  readonly #fromMs: number;
  readonly #fromMonotonicMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#fromMs = clock.now();
    this.#fromMonotonicMs = clock.monotonicMs();
  }

  get ms(): number {
    return Math.max(this.#clock.now() - this.#fromMs, this.#clock.monotonicMs() - this.#fromMonotonicMs);
  }
}

/** The wall clock and the runtime's own timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** The longest delay runtimes honour; a longer one fires at once, and servers choose `nextPollMs` freely. */
export const MAX_DELAY_MS: number = 2 ** 31 - 1;

/** How often a long wait looks at the time of day. */
const LOOK_MS = 30_000;

/**
 * Waits `delayMs`, or until `signal` aborts, however the clock is set and whether or not the computer sleeps meanwhile. Timers
 * stand still while it sleeps and the time of day goes on, which is seen within half a minute after it woke; a clock that is
 * set back does not prolong the wait.
 */
export async function sleepThrough(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = delayMs; leftMs > 0 && !signal.aborted;) {
    const fromMs = clock.now();
    const stepMs = Math.min(leftMs, LOOK_MS);
    await sleep(clock, stepMs, signal);
    leftMs -= Math.max(stepMs, clock.now() - fromMs);
  }
}

/** Waits `delayMs`, or until `signal` aborts: callers look at the signal afterwards, nothing is thrown. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const finish = (): void => {
      clock.clearTimeout(timer);
      forget();
      resolve();
    };
    const timer = clock.setTimeout(finish, Math.min(delayMs, MAX_DELAY_MS));
    const forget = onAborted(signal, finish);
  });
}
