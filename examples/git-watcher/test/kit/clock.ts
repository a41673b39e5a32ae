import type { Clock } from '@mcp-events/server';

interface Timer {
  callback: () => void;
  delayMs: number;
}

/** Timers that run when the test says so. */
export class ManualClock implements Clock {
  readonly #timers = new Set<Timer>();
  readonly #waiting = new Set<() => void>();

  now(): number {
    return 0;
  }

  monotonicMs(): number {
    return 0;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const timer = { callback, delayMs };
    this.#timers.add(timer);
    for (const check of this.#waiting) check();
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as Timer);
  }

  setImmediate(callback: () => void): void {
    setImmediate(callback);
  }

  /** Delays of the timers that are set. */
  get delaysMs(): number[] {
    return [...this.#timers].map(({ delayMs }) => delayMs);
  }

  /** Runs all timers that are set now. */
  fire(): void {
    const timers = [...this.#timers];
    this.#timers.clear();
    for (const { callback } of timers) callback();
  }

  /** Resolves when a timer with this delay is set. */
  timerOf(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!this.delaysMs.includes(delayMs)) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }
}
