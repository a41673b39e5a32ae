import type { Clock } from '../clock.ts';

/** Says when the better modes are due for a trial, however often the mode in use ends and begins until then. */
export class TrialTimer {
  readonly #clock: Clock;
  #timer: unknown;
  #isDue = false;
  #onDue: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins to wait, unless it does so already. */
  start(delayMs: number): void {
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#isDue = true;
      this.#onDue();
    }, delayMs);
  }

  /** Calls `listener` when the time has come, instead of the one before. */
  onDue(listener: () => void): void {
    this.#onDue = listener;
  }

  /** Whether the time has come; asking ends that, and the next wait may begin. */
  take(): boolean {
    const isDue = this.#isDue;
    if (isDue) this.stop();
    return isDue;
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isDue = false;
  }
}
