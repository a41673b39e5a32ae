/** Longest time in which a server stores what was acknowledged, as long as its storage is well. */
const STORED_WITHIN_MS = 2_000;

/**
 * Where a webhook subscription stands by what its server has certainly stored. What was acknowledged lately, or while the
 * storage may have failed, is forgotten with the process, and the next one goes on from before it.
 */
export class StoredPosition {
  #certain: number | undefined;
  #isAnswered = false;
  /** Acknowledged, and perhaps not stored, in the order of the history. */
  #recent: { readonly atMs: number; readonly position: number }[] = [];

  /** @param position of the answer that granted it, or where it asked to begin: both are stored before they are answered */
  constructor(position: number | undefined) {
    this.#certain = position;
  }

  /** @param isAnswer to a subscribe request: what overtook the first one is acknowledged, and perhaps not stored */
  received(position: number, atMs: number, isAnswer: boolean): void {
    const isFirstAnswer = isAnswer && !this.#isAnswered;
    this.#isAnswered ||= isAnswer;
    if (this.#certain === undefined || (isFirstAnswer && position < this.#certain)) this.#certain = position;
    else if (position > (this.#recent.at(-1)?.position ?? this.#certain)) this.#recent.push({ atMs, position });
  }

  /** @param calmSinceMs since when nothing is disturbed, the storage among it; `Infinity` while something is */
  passed(nowMs: number, calmSinceMs: number): void {
    for (const { atMs, position } of this.#recent) {
      if (nowMs < Math.max(atMs, calmSinceMs) + STORED_WITHIN_MS) return;
      this.#certain = position;
      this.#recent = this.#recent.slice(1);
    }
  }

  /** The server begins anew. @returns where it goes on at the earliest */
  restarted(): number | undefined {
    this.#recent = [];
    return this.#certain;
  }
}
