import type { WorldRecord } from './worldRecord.ts';

/** After a fault that concerns everybody it takes so long until all that it delayed has arrived. */
export const QUIET_MS = 900_000;

/** Tells the history when no fault that concerns everybody is at work any more, and when one is again. */
export class CalmPeriods {
  readonly #world: WorldRecord;
  readonly #isRight: () => boolean;
  #isCalm = false;
  #sinceMs = -Infinity;
  #untilMs = -Infinity;

  /** @param isRight whether everything is now as it is without faults */
  constructor(world: WorldRecord, isRight: () => boolean) {
    this.#world = world;
    this.#isRight = isRight;
  }

  /** What was disturbed is over by then, if nothing else happens. */
  get overMs(): number {
    return this.#untilMs;
  }

  /** Since when all is calm; `undefined` while it is not. */
  get sinceMs(): number | undefined {
    return this.#isCalm ? this.#sinceMs : undefined;
  }

  /** Something concerns everybody. */
  disturb(why: string, quietMs: number = QUIET_MS): void {
    this.#untilMs = Math.max(this.#untilMs, this.#world.time.nowMs + quietMs);
    if (this.#isCalm) this.#world.record({ fact: 'disturbed', why });
    this.#isCalm = false;
  }

  /** Looks whether all is calm by now. */
  look(): void {
    if (this.#isCalm || this.#world.time.nowMs < this.#untilMs || !this.#isRight()) return;
    this.#isCalm = true;
    this.#sinceMs = this.#world.time.nowMs;
    this.#world.record({ fact: 'calm' });
  }
}
