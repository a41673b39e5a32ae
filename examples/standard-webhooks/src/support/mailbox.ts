/** Longer than anything here takes. */
const PATIENCE_MS = 5_000;

/** What arrived, in order, for a story that waits for it. */
export class Mailbox<T> {
  readonly #items: T[] = [];
  #arrived: (() => void) | undefined;

  /** Items that nobody took. */
  get size(): number {
    return this.#items.length;
  }

  put(item: T): void {
    this.#items.push(item);
    this.#arrived?.();
  }

  /**
   * Takes the next item.
   *
   * @param what completes "waited for ..."
   * @throws Error if none comes
   */
  async take(what: string): Promise<T> {
    if (this.#items.length === 0) await this.#wait(PATIENCE_MS);
    const item = this.#items.shift();
    if (item === undefined) throw new Error(`waited ${PATIENCE_MS / 1_000} s for ${what}`);
    return item;
  }

  /** Whether nothing comes for a while. */
  async isQuiet(forMs = 400): Promise<boolean> {
    if (this.#items.length === 0) await this.#wait(forMs);
    return this.#items.length === 0;
  }

  #wait(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#arrived = undefined;
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      this.#arrived = done;
    });
  }
}
