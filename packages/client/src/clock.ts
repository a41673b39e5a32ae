import { onAborted } from './untilAborted.ts';

/**
 * Where the client takes its time from. Pass your own to test without waiting.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `callback` once after `delayMs`; the return value is only ever given back to {@link Clock.clearTimeout}. */
  setTimeout(callback: () => void, delayMs: number): unknown;
  /** Forgets a timer; unknown and past ones are ignored. */
  clearTimeout(timer: unknown): void;
}

/** The wall clock and the runtime's own timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** The longest delay runtimes honour; a longer one fires at once, and servers choose `nextPollMs` freely. */
export const MAX_DELAY_MS: number = 2 ** 31 - 1;

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
