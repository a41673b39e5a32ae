/**
 * Ids remembered to recognise duplicates. What can repeat is what lies between the cursor of a reconnect and the last
 * event received: less than a buffer (1,000 by default) plus a poll batch, so ten times that leaves room for servers
 * that replay generously.
 */
export const RECENT_IDS_COUNT = 10_000;

/**
 * Ids kept with a position because they may lie behind it: a longer list costs more, with every save, than the
 * repetitions it spares after a restart.
 */
export const MAX_IDS_BEYOND_POSITION = 1_000;

/** Ids are the server's choice: this bounds what long ones may hold (characters, in total). */
const MAX_TOTAL_LENGTH = 4 * 1024 * 1024;

/** The ids received last, in order, bounded in number and length (ORDER-04). */
export class RecentIds {
  // Insertion order is the order of receipt; the value numbers the receipts.
  readonly #numbers = new Map<string, number>();
  readonly #ids = new Map<number, string>();
  #oldest = 0;
  #next = 0;
  #totalLength = 0;

  constructor(ids: readonly string[] = []) {
    for (const id of ids) this.add(id);
  }

  has(id: string): boolean {
    return this.#numbers.has(id);
  }

  add(id: string): void {
    if (this.#numbers.has(id)) return;
    this.#numbers.set(id, this.#next);
    this.#ids.set(this.#next, id);
    this.#next += 1;
    this.#totalLength += id.length;
    while (this.#ids.size > RECENT_IDS_COUNT || (this.#totalLength > MAX_TOTAL_LENGTH && this.#ids.size > 1)) {
      this.#forgetOldest();
    }
  }

  /** The ids received after this one; undefined if it is unknown or they are more than `limit`. */
  after(id: string, limit: number): string[] | undefined {
    const number = this.#numbers.get(id);
    if (number === undefined || this.#next - 1 - number > limit) return undefined;
    return this.#from(number + 1);
  }

  /** The ids received last, up to `count`. */
  latest(count: number): string[] {
    return this.#from(Math.max(this.#oldest, this.#next - count));
  }

  #from(number: number): string[] {
    const ids: string[] = [];
    for (let at = number; at < this.#next; at += 1) {
      const id = this.#ids.get(at);
      if (id !== undefined) ids.push(id);
    }
    return ids;
  }

  #forgetOldest(): void {
    const id = this.#ids.get(this.#oldest);
    this.#ids.delete(this.#oldest);
    this.#oldest += 1;
    if (id === undefined) return;
    this.#numbers.delete(id);
    this.#totalLength -= id.length;
  }
}
