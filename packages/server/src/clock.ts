/**
 * Time as the server sees it. Every wait in this package goes through it, so tests advance time instead of sleeping.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump; nothing here assumes it is monotonic. */
  now(): number;
  /**
   * Milliseconds with fractions, from an origin of its own and never set back: for how long something took. Default:
   * {@link now}.
   */
  measure?(): number;
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(handle: unknown): void;
  /** Runs `callback` after the current turn of the event loop, so work of one turn can be gathered. */
  setImmediate(callback: () => void): void;
}

/** The longest delay a timer of the platform keeps; anything longer fires at once there. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The real clock. Its timers never keep a process alive by themselves. */
export const systemClock: Clock = {
  now: () => Date.now(),
  measure: () => performance.now(),
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

/** For the difference to a later reading. */
export function measureMs(clock: Clock): number {
  return clock.measure?.() ?? clock.now();
}
