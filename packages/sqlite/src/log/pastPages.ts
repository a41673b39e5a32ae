import type { FeedEvent } from '@mcp-events/server';

/** Events of one page. Pages begin at multiples of it, so that readers that are near each other share them. */
const PAGE_EVENTS = 128;

/** Of the pages that are kept. */
const MAX_PAGES = 16;
const MAX_BYTES = 8 * 1024 * 1024;

/** How much one call reads: a few milliseconds, however large events are. */
const MAX_BYTES_READ = 4 * 1024 * 1024;

interface Page {
  readonly events: readonly FeedEvent[];
  readonly bytes: number;
}

/**
 * Pages of the past that were read a moment ago. After a restart many subscriptions read the same events: each is to be
 * read and decoded once, and the events themselves are shared.
 */
export class PastPages {
  readonly #load: (first: number, last: number) => FeedEvent[];
  /** By their number, the one used last at the end. */
  readonly #pages = new Map<number, Page>();
  #bytes = 0;

  /** @param load reads the events of these positions, as far as there are any */
  constructor(load: (first: number, last: number) => FeedEvent[]) {
    this.#load = load;
  }

  /**
   * Events from `first` to `last`, or the first of them if they are large; at least one.
   *
   * @param head only pages before it are complete, and kept
   */
  read(first: number, last: number, head: number): FeedEvent[] {
    const events: FeedEvent[] = [];
    let bytes = 0;
    for (let n = Math.floor(first / PAGE_EVENTS); n * PAGE_EVENTS <= last && bytes < MAX_BYTES_READ; n++) {
      const page = this.#page(n, head);
      bytes += page.bytes;
      for (const event of page.events) if (event.position >= first && event.position <= last) events.push(event);
    }
    return events;
  }

  clear(): void {
    this.#pages.clear();
    this.#bytes = 0;
  }

  #page(n: number, head: number): Page {
    const known = this.#pages.get(n);
    if (known !== undefined) {
      this.#pages.delete(n);
      this.#pages.set(n, known);
      return known;
    }
    const end = (n + 1) * PAGE_EVENTS;
    const events = this.#load(n * PAGE_EVENTS, Math.min(head, end - 1));
    const page = { events, bytes: events.reduce((sum, { dataJson }) => sum + dataJson.length, 0) };
    if (end <= head) this.#keep(n, page);
    return page;
  }

  #keep(n: number, page: Page): void {
    this.#pages.set(n, page);
    this.#bytes += page.bytes;
    for (const [oldest, { bytes }] of this.#pages) {
      if (this.#pages.size <= MAX_PAGES && this.#bytes <= MAX_BYTES) return;
      this.#pages.delete(oldest);
      this.#bytes -= bytes;
    }
  }
}
