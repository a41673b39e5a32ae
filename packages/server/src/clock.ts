import { having } from '@mcp-events/protocol/options';
import type { Check } from '@mcp-events/protocol/options';

/**
 * Time as the server sees it. Every wait in this package goes through it, so tests advance time instead of sleeping.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch: the time of day, which may be set. */
  now(): number;
  /**
   * Milliseconds, with fractions where the platform has them, since some moment, by a clock that nobody sets, as timers count
   * them: for how long something took, or may take.
   */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`; the return value is only ever given back to {@link Clock.clearTimeout}. */
  setTimeout(callback: () => void, delayMs: number): unknown;
  /** Forgets a timer; unknown and past ones are ignored. */
  clearTimeout(handle: unknown): void;
  /** Runs `callback` after the current turn of the event loop, so work of one turn can be gathered. */
  setImmediate(callback: () => void): void;
}

/** Throws a `TypeError` for what is no clock. */
export const checkClock: Check = having(
  ['now', 'monotonicMs', 'setTimeout', 'clearTimeout', 'setImmediate'],
  'a Clock, as systemClock is',
);

/** The longest delay a timer of the platform keeps; anything longer fires at once there. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The real clock. Its timers never keep a process alive by themselves. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimeout: (callback, delayMs) => {
    const handle: unknown = setTimeout(callback, Math.min(delayMs, LONGEST_TIMER_MS));
    (handle as { unref?: () => void }).unref?.();
    return handle;
  },
  clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
  setImmediate: (callback) => {
    if (typeof setImmediate === 'function') setImmediate(callback);
    else setTimeout(callback, 0);
  },
};

/** The time of day, as it is set now, at a reading of the clock that nobody sets: for people. */
export function dateAt(clock: Clock, monotonicMs: number): number {
  return clock.now() + monotonicMs - clock.monotonicMs();
}

/** Measures how long ago something was, from a date on that an earlier run may have left, and by the clock that nobody sets. */
export class Since {
  /** Milliseconds since the Unix epoch, for people and for storage. */
  readonly atMs: number;
  readonly #elapsedBeforeMs: number;
  readonly #fromMonotonicMs: number;

  constructor(clock: Clock, atMs: number = clock.now()) {
    this.atMs = atMs;
    this.#elapsedBeforeMs = Math.max(0, clock.now() - atMs);
    this.#fromMonotonicMs = clock.monotonicMs();
  }

  elapsedMs(clock: Clock): number {
    return this.#elapsedBeforeMs + clock.monotonicMs() - this.#fromMonotonicMs;
  }
}
