import { deadLetterBounds } from './deadLetterStore.ts';
import type { DeadLetterFilter, DeadLetterPage, DeadLetterStore, StoredDeadLetter } from './deadLetterStore.ts';

type NumberedLetter = StoredDeadLetter & { readonly number: number };

/** Dead letters that live and die with the process. */
export class MemoryDeadLetters implements DeadLetterStore {
  readonly #letters = new Map<number, NumberedLetter>();
  readonly #countBySubscription = new Map<string, number>();
  #next = 1;
  #bytes = 0;

  add(stored: StoredDeadLetter): void {
    const letter = { ...stored, number: this.#next++ };
    const { subscriptionId } = letter;
    this.#letters.set(letter.number, letter);
    this.#bytes += sizeOf(letter);
    const count = (this.#countBySubscription.get(subscriptionId) ?? 0) + 1;
    this.#countBySubscription.set(subscriptionId, count);
    const { maxBytes, maxCount, maxCountPerSubscription } = deadLetterBounds;
    if (count > maxCountPerSubscription) this.#forget(this.#oldestOf(subscriptionId));
    while (this.#letters.size > maxCount || this.#bytes > maxBytes) this.#forget(this.#letters.values().next().value);
  }

  find(filter: DeadLetterFilter, { after = 0, limit }: DeadLetterPage = {}): NumberedLetter[] {
    const members = Object.entries(filter).filter(([, wanted]) => wanted !== undefined);
    const isWanted = (letter: NumberedLetter): boolean =>
      letter.number > after && members.every(([member, wanted]) => letter[member as keyof DeadLetterFilter] === wanted);
    return [...this.#letters.values()].filter(isWanted).slice(0, limit);
  }

  delete(number: number): void {
    this.#forget(this.#letters.get(number));
  }

  #oldestOf(subscriptionId: string): NumberedLetter | undefined {
    for (const letter of this.#letters.values()) if (letter.subscriptionId === subscriptionId) return letter;
    return undefined;
  }

  #forget(letter: NumberedLetter | undefined): void {
    if (letter === undefined || !this.#letters.delete(letter.number)) return;
    const { subscriptionId } = letter;
    this.#bytes -= sizeOf(letter);
    const count = (this.#countBySubscription.get(subscriptionId) ?? 1) - 1;
    if (count === 0) this.#countBySubscription.delete(subscriptionId);
    else this.#countBySubscription.set(subscriptionId, count);
  }
}

function sizeOf({ dataJson, _meta }: StoredDeadLetter): number {
  return dataJson.length + (_meta === undefined ? 0 : JSON.stringify(_meta).length);
}
