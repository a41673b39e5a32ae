import type { FeedRecord } from '@mcp-events/server';
import type { EventTable } from './eventTable.ts';

/**
 * Events of one page: the most that are not too large together. Pages begin at multiples of it, so that readers that are
 * near each other share them.
 */
const PAGE_EVENTS = [128, 16, 1] as const;

/** What one page has at most, if it is more than one event. */
const MAX_PAGE_BYTES = 1024 * 1024;

/** Of the pages that are kept. */
const MAX_PAGES = 16;
const MAX_BYTES = 8 * 1024 * 1024;

/** After so much a call reads no further page: a few milliseconds, however large events are. */
const MAX_BYTES_READ = 1024 * 1024;

interface Page {
  readonly first: number;
  readonly count: number;
  readonly events: readonly FeedRecord[];
  readonly bytes: number;
}

/**
 * Pages of the past that were read a moment ago. After a restart many subscriptions read the same events: each is to be
 * read and decoded once, and the events themselves are shared.
 */
export class PastPages {
  readonly #table: Pick<EventTable, 'read' | 'bytesOf'>;
  readonly #name: string;
  /** By count and first position, the one used last at the end. */
  readonly #pages = new Map<string, Page>();
  #bytes = 0;

  /** @param name of the events in `table` */
  constructor(table: Pick<EventTable, 'read' | 'bytesOf'>, name: string) {
    this.#table = table;
    this.#name = name;
  }

  /**
   * Events from `first` to `last`, or the first of them if they are large; at least one.
   *
   * @param head only pages up to it are complete, and kept
   */
  read(first: number, last: number, head: number): FeedRecord[] {
    const events: FeedRecord[] = [];
    let bytes = 0;
    for (let at = first; at <= last && bytes < MAX_BYTES_READ;) {
      const page = this.#pageWith(at, head);
      bytes += page.bytes;
      for (const event of page.events) if (event.position >= first && event.position <= last) events.push(event);
      at = page.first + page.count;
    }
    return events;
  }

  clear(): void {
    this.#pages.clear();
    this.#bytes = 0;
  }

  #pageWith(position: number, head: number): Page {
    for (const count of PAGE_EVENTS) {
      const first = position - (position % count);
      const key = `${count} ${first}`;
      const known = this.#pages.get(key);
      if (known !== undefined) {
        this.#pages.delete(key);
        this.#pages.set(key, known);
        return known;
      }
      const last = Math.min(head, first + count - 1);
      if (count > 1 && this.#table.bytesOf(first, last) > MAX_PAGE_BYTES) continue;
      const events = this.#table.read(this.#name, first, last);
      const page = { first, count, events, bytes: events.reduce((sum, record) => sum + sizeOf(record), 0) };
      if (last === first + count - 1) this.#keep(key, page);
      return page;
    }
    throw new RangeError('a page has at least one event');
  }

  #keep(key: string, page: Page): void {
    this.#pages.set(key, page);
    this.#bytes += page.bytes;
    for (const [oldest, { bytes }] of this.#pages) {
      if (this.#pages.size <= MAX_PAGES && this.#bytes <= MAX_BYTES) return;
      this.#pages.delete(oldest);
      this.#bytes -= bytes;
    }
  }
}

function sizeOf(record: FeedRecord): number {
  return record.kind === 'event' ? record.jsonLength : 0;
}
