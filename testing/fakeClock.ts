interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Lets promises and turn-end work that is ready now finish, without any time passing. */
export async function settle(turns = 10): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Lets work go on, without any time passing, until something is so. Fails when it never is. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1_000; turn++) {
    if (condition()) return;
    await settle(1);
  }
  throw new Error(`this never came true: ${String(condition)}`);
}

/** Neither zero, nor alike the time of day: what is taken for the other shows. */
const FIRST_MONOTONIC_MS = 1_000_000;

/**
 * The clock of all tests: it moves only when told to. As on a machine, timers count the time that passes, and the time of day is
 * set apart from it. Turn ends are real: they are not time.
 */
export class FakeClock {
  #monotonicMs = FIRST_MONOTONIC_MS;
  #timeOfDayMs: number;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(startMs: number = Date.parse('2026-01-01T00:00:00Z')) {
    this.#timeOfDayMs = startMs;
  }

  /** Timers that wait; 0 when everything has been cleaned up. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#timeOfDayMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Sets the time of day forward, or back, as an operator or NTP does. No time passes. */
  jump(ms: number): void {
    this.#timeOfDayMs += ms;
  }

  /** Lets time pass before any timer has a turn: what runs now has taken so long. */
  pass(ms: number): void {
    this.#monotonicMs += ms;
    this.#timeOfDayMs += ms;
  }

  /** Stops the process for so long: then what is due fires before anything else has a turn. */
  freeze(ms: number): void {
    this.pass(ms);
    const due = [...this.#timers].filter((timer) => timer.atMs <= this.#monotonicMs).toSorted(inTurn);
    for (const timer of due) if (this.#timers.delete(timer)) timer.callback();
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const timer = { atMs: this.#monotonicMs + delayMs, order: this.#order++, callback };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(handle: unknown): void {
    this.#timers.delete(handle as Timer);
  }

  setImmediate(callback: () => void): void {
    setImmediate(callback);
  }

  /** Lets `ms` pass, firing what is due on the way in order, with all consequences of each before the next. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await settle();
    for (;;) {
      const [next] = [...this.#timers].filter((timer) => timer.atMs <= endMs).toSorted(inTurn);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.pass(Math.max(0, next.atMs - this.#monotonicMs));
      next.callback();
      await settle();
    }
    this.pass(Math.max(0, endMs - this.#monotonicMs));
    await settle();
  }
}

function inTurn(one: Timer, other: Timer): number {
  return one.atMs - other.atMs || one.order - other.order;
}
