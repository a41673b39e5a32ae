/** Keys are the server's choice: this bounds what long ones hold (characters, in total). */
const MAX_TOTAL_LENGTH = 8 * 1024 * 1024;

/** Places of removed keys that are left in the queue at least, so that it is not written anew each time. */
const SLACK_PLACES = 8;

/** The keys added last, bounded in number and length. Iterates from the oldest. */
export class RecentKeys {
  readonly #maxKeys: number;
  /** Each key with the number of its addition. */
  readonly #numbers = new Map<string, number>();
  // A queue of its own: to find the oldest key of a map, or set, everything removed before it has to be passed over.
  #queue: string[] = [];
  #head = 0;
  /** The number of the first key in the queue. */
  #firstNumber = 0;
  #totalLength = 0;

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  has(key: string): boolean {
    return this.#numbers.has(key);
  }

  add(key: string): void {
    if (this.#numbers.has(key)) return;
    this.#numbers.set(key, this.#firstNumber + this.#queue.length);
    this.#queue.push(key);
    this.#totalLength += key.length;
    while (this.#numbers.size > this.#maxKeys || this.#totalLength > MAX_TOTAL_LENGTH) this.#removeOldest();
  }

  delete(key: string): void {
    if (!this.#numbers.delete(key)) return;
    this.#totalLength -= key.length;
    // Places of removed keys are bounded too.
    if (this.#queue.length - this.#head <= 2 * this.#numbers.size + SLACK_PLACES) return;
    this.#queue = [...this];
    this.#head = 0;
    this.#firstNumber = 0;
    for (const [at, kept] of this.#queue.entries()) this.#numbers.set(kept, at);
  }

  *[Symbol.iterator](): Iterator<string> {
    for (let at = this.#head; at < this.#queue.length; at += 1) {
      const key = this.#queue[at] as string;
      if (this.#isAt(key, at)) yield key;
    }
  }

  #removeOldest(): void {
    const key = this.#queue[this.#head] as string;
    // Else it was removed, and perhaps added again later.
    if (this.#isAt(key, this.#head)) {
      this.#numbers.delete(key);
      this.#totalLength -= key.length;
    }
    this.#head += 1;
    if (this.#head * 2 <= this.#queue.length) return;
    this.#queue = this.#queue.slice(this.#head);
    this.#firstNumber += this.#head;
    this.#head = 0;
  }

  #isAt(key: string, at: number): boolean {
    return this.#numbers.get(key) === this.#firstNumber + at;
  }
}
