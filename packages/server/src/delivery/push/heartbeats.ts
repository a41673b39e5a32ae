import type { Clock } from '../../clock.ts';

/**
 * Parts the interval is divided into. Streams are spread over them, so 10,000 streams do not write in the same turn.
 */
const SLOTS = 10;

/** Calls every member once per interval, with one timer for all of them; none while there are no members. */
export class Heartbeats {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #slots: Set<() => void>[] = Array.from({ length: SLOTS }, () => new Set());
  #next = 0;
  #joined = 0;
  #size = 0;
  #timer: unknown;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** Adds a member; the returned function removes it again. Its first call comes within one interval. */
  add(beat: () => void): () => void {
    const slot = this.#slots[this.#joined++ % SLOTS] as Set<() => void>;
    slot.add(beat);
    if (++this.#size === 1) this.#schedule();
    return () => {
      if (!slot.delete(beat)) return;
      if (--this.#size > 0) return;
      this.#clock.clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#schedule();
      for (const beat of this.#slots[this.#next++ % SLOTS] ?? []) beat();
    }, this.#intervalMs / SLOTS);
  }
}
