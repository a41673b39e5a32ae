import { readNote } from '../storage/readNote.ts';
import type { Notes } from '../storage/storage.ts';

const KEY = 'storage-id';

/** A name that a storage keeps for as long as it lasts, also over a restore: whose log a database's outbox goes to. */
export class StorageId {
  readonly value: string;
  readonly #notes: Notes;
  #isStored: boolean;

  constructor(notes: Notes, createId: () => string) {
    const known = readNote(notes, {
      key: KEY,
      about: 'the id of this storage',
      isValid: (value): value is string => typeof value === 'string' && value !== '',
      without: 'outboxes that belong to this storage are then taken for those of another',
    });
    this.#notes = notes;
    this.value = known ?? createId();
    this.#isStored = known !== undefined;
  }

  /** Resolves when it will be the same after a restart. */
  async store(): Promise<void> {
    if (this.#isStored) return;
    await this.#notes.set({ key: KEY, value: JSON.stringify(this.value) });
    this.#isStored = true;
  }
}
