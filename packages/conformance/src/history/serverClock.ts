import type { ClockSetFact } from './facts.ts';

/** How far the server's time of day was ahead of the clock of the history, and when. */
export class ServerClock {
  readonly #settings: { readonly atMs: number; readonly offsetMs: number }[] = [];

  set({ at, offsetMs }: ClockSetFact): void {
    this.#settings.push({ atMs: at ?? -Infinity, offsetMs });
  }

  /**
   * The furthest since a time, which may be long ago; `undefined`: now. What was set in the same millisecond may have been set
   * after it.
   */
  aheadSince(atMs: number = Infinity): number {
    const [first, ...earlier] = this.#settings.toReversed();
    let aheadMs = first?.offsetMs ?? 0;
    if (first === undefined || first.atMs < atMs) return aheadMs;
    for (const setting of earlier) {
      aheadMs = Math.max(aheadMs, setting.offsetMs);
      if (setting.atMs < atMs) return aheadMs;
    }
    return Math.max(aheadMs, 0);
  }
}
