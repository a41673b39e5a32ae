import { MAX_IDS_BEYOND_POSITION } from './recentIds.ts';

/**
 * Ids acknowledged in webhook mode whose events may lie beyond the kept position and come again after a restart, the last
 * ones: those without usable order, of which only the watermark is known, somewhere before them; and those handed out
 * while one before them was missing.
 */
export class PostedIds {
  #ids: string[];
  #passed = 0;

  constructor(ids: string[]) {
    this.#ids = ids;
  }

  get ids(): string[] {
    return this.#ids;
  }

  /** An event out of order was acknowledged. */
  add(id: string): void {
    this.#ids = [...this.#ids.slice(1 - MAX_IDS_BEYOND_POSITION), id];
    this.#passed = 0;
  }

  /** An event in order was. They pass every place, and after many of them also the farthest one. */
  pass(): void {
    this.#passed += 1;
    if (this.#passed >= MAX_IDS_BEYOND_POSITION) this.#ids = [];
  }
}
