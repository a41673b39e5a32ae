import { randomBytes } from 'node:crypto';
import type { Clock, EventLog, FeedEvent, Retention } from '@mcp-events/server';

interface Entry {
  readonly event: FeedEvent;
  readonly byteLength: number;
  readonly appendedAtMs: number;
}

/**
 * The past of one event type, kept as long as the process lives. A server that closes it can open it again and finds
 * everything in its place, as it would in a database.
 */
export class ProcessLog implements EventLog {
  readonly epoch: string = randomBytes(8).toString('hex');
  readonly #retention: Retention;
  readonly #clock: Clock;
  #entries: Entry[] = [];
  /** Position of the first entry. */
  #first = 1;
  #bytes = 0;

  constructor(retention: Retention, clock: Clock) {
    this.#retention = retention;
    this.#clock = clock;
  }

  get head(): number {
    return this.#first + this.#entries.length - 1;
  }

  get oldest(): number {
    this.#evict();
    return this.#first;
  }

  append(event: FeedEvent, byteLength: number): void {
    event.position = this.head + 1;
    this.#entries.push({ event, byteLength, appendedAtMs: this.#clock.now() });
    this.#bytes += byteLength;
    this.#evict();
  }

  skip(): void {
    this.#first = this.head + 2;
    this.#entries = [];
    this.#bytes = 0;
  }

  find(eventId: string): FeedEvent | undefined {
    this.#evict();
    return this.#entries.find(({ event }) => event.eventId === eventId)?.event;
  }

  read(position: number, limit: number): FeedEvent[] {
    const start = Math.max(0, position + 1 - this.oldest);
    return this.#entries.slice(start, start + limit).map(({ event }) => event);
  }

  seek(position: number, notBeforeMs: number): number {
    const start = Math.max(position + 1, this.oldest);
    const wanted = this.read(start - 1, Infinity).findIndex(({ timestamp }) => Date.parse(timestamp) >= notBeforeMs);
    return wanted === -1 ? Math.max(this.head, start - 1) : start + wanted - 1;
  }

  close(): void {}

  #evict(): void {
    const { maxAgeMs, maxBytes, maxCount } = this.#retention;
    const expiredBeforeMs = this.#clock.now() - maxAgeMs;
    for (;;) {
      const [oldest] = this.#entries;
      if (oldest === undefined) return;
      const fits = this.#entries.length <= maxCount && this.#bytes <= maxBytes;
      if (fits && oldest.appendedAtMs >= expiredBeforeMs) return;
      this.#entries.shift();
      this.#first++;
      this.#bytes -= oldest.byteLength;
    }
  }
}
