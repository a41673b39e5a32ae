import type { Clock } from '@mcp-events/server';

/** Time that moves when it is told to. Timers never fire: an engine has to do without them. Turn ends are real. */
export class ManualClock implements Clock {
  #nowMs: number = Date.parse('2026-01-01T00:00:00Z');

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  pass(ms: number): void {
    this.#nowMs += ms;
  }

  setTimeout(): unknown {
    return undefined;
  }

  clearTimeout(): void {}

  setImmediate(callback: () => void): void {
    setImmediate(callback);
  }
}
