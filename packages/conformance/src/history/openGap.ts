/**
 * A gap that a stream or a poll told without a position, where events come in their order: it stands for what is missing
 * before the next event, or before the next ones if these come as one batch, whose cursor follows them. What was passed before
 * it, or is passed after that, is nothing that it told of.
 */
export class OpenGap {
  #toldIndex = -1;
  #isFollowed = false;

  told(index: number): void {
    this.#toldIndex = index;
    this.#isFollowed = false;
  }

  /** An event was handed out. */
  handed(): void {
    this.#isFollowed = true;
  }

  /**
   * The application has a position behind what was handed out.
   *
   * @returns whether the gap stood for what is missing up to there, and for nothing more
   */
  positioned(): boolean {
    if (!this.#isFollowed || this.#toldIndex === -1) return false;
    this.#toldIndex = -1;
    return true;
  }

  /** Whether it stands for an event that is missing now. */
  excuses(emittingIndex: number): boolean {
    return emittingIndex < this.#toldIndex;
  }
}
