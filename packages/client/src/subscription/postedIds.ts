import { MAX_IDS_BEYOND_POSITION } from './recentIds.ts';

/**
 * Ids acknowledged in webhook mode, the last ones. A watermark lies somewhere before the event that carries it, and
 * cursors cannot be compared: any of these may be behind the kept position, and come again after a restart.
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

  /** An event of webhook mode was acknowledged. */
  add(id: string): void {
    this.#ids = [...this.#ids.slice(1 - MAX_IDS_BEYOND_POSITION), id];
    this.#passed = 0;
  }

  /** An event of another mode was. Those modes pass every place in order, and after many events also the farthest one. */
  pass(): void {
    this.#passed += 1;
    if (this.#passed >= MAX_IDS_BEYOND_POSITION) this.#ids = [];
  }
}
