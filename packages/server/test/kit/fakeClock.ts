import type { Clock } from '@mcp-events/server';

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

/** A clock that only moves when told to. Turn ends are real: they are not time. */
export class FakeClock implements Clock {
  #nowMs: number;
  /** By how much the wall clock was set. */
  #jumpedMs = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(startMs = Date.parse('2026-01-01T00:00:00Z')) {
    this.#nowMs = startMs;
  }

  /** Timers that wait; 0 when everything has been cleaned up. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#nowMs;
  }

  measure(): number {
    return this.#nowMs - this.#jumpedMs;
  }

  /** Moves the wall clock without any timer firing, as an operator or NTP does. */
  jump(ms: number): void {
    this.#nowMs += ms;
    this.#jumpedMs += ms;
  }

  /** Stops the process for so long: then what is due fires before anything else has a turn. */
  freeze(ms: number): void {
    this.#nowMs += ms;
    const due = [...this.#timers].filter((timer) => timer.atMs <= this.#nowMs);
    for (const timer of due.toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)) {
      if (this.#timers.delete(timer)) timer.callback();
    }
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const timer = { atMs: this.#nowMs + delayMs, order: this.#order++, callback };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(handle: unknown): void {
    this.#timers.delete(handle as Timer);
  }

  setImmediate(callback: () => void): void {
    setImmediate(callback);
  }

  /** Lets `ms` pass, firing what is due on the way in order. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.atMs <= endMs);
      const next = due.toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      await settle();
    }
    this.#nowMs = endMs;
    await settle();
  }
}
