/** Keys are the server's choice: this bounds what long ones hold (characters, in total). */
const MAX_TOTAL_LENGTH = 8 * 1024 * 1024;

/** The keys added last, bounded in number and length. Iterates from the oldest. */
export class RecentKeys {
  readonly #maxKeys: number;
  readonly #keys = new Set<string>();
  #totalLength = 0;

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  add(key: string): void {
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    this.#totalLength += key.length;
    for (const oldest of this.#keys) {
      if (this.#keys.size <= this.#maxKeys && this.#totalLength <= MAX_TOTAL_LENGTH) break;
      this.#keys.delete(oldest);
      this.#totalLength -= oldest.length;
    }
  }

  delete(key: string): void {
    if (this.#keys.delete(key)) this.#totalLength -= key.length;
  }

  [Symbol.iterator](): Iterator<string> {
    return this.#keys.values();
  }
}
