import type { Clock } from '../clock.ts';
import type { FeedEvent } from '../feed/feedEvent.ts';
import type { EventLog, EventStorage, Retention } from './eventLog.ts';

interface Entry {
  readonly event: FeedEvent;
  readonly appendedAtMs: number;
  readonly byteLength: number;
}

/**
 * A bounded ring in memory: the past of one event type within this process. It has a fresh epoch each time, so cursors
 * of an earlier run are recognised even where the same number exists again (EMIT-09).
 */
export class MemoryLog implements EventLog {
  readonly epoch: string;
  readonly #retention: Retention;
  readonly #clock: Clock;
  readonly #byEventId = new Map<string, Entry>();
  /** Slot of position p is `p % maxCount`, so appending and evicting move nothing. */
  readonly #slots: (Entry | undefined)[] = [];
  #head = 0;
  #oldest = 1;
  #bytes = 0;

  constructor(epoch: string, retention: Retention, clock: Clock) {
    this.epoch = epoch;
    this.#retention = retention;
    this.#clock = clock;
  }

  get head(): number {
    return this.#head;
  }

  get oldest(): number {
    this.#evict();
    return this.#oldest;
  }

  append(event: FeedEvent, byteLength: number): void {
    event.position = this.#head + 1;
    const entry: Entry = { event, appendedAtMs: this.#clock.now(), byteLength };
    this.#bytes += byteLength;
    this.#evict(1);
    this.#head = event.position;
    this.#slots[this.#slot(event.position)] = entry;
    this.#byEventId.set(event.eventId, entry);
  }

  skip(): void {
    this.close();
    this.#head++;
    this.#oldest = this.#head + 1;
  }

  find(eventId: string): FeedEvent | undefined {
    this.#evict();
    return this.#byEventId.get(eventId)?.event;
  }

  read(position: number, limit: number): FeedEvent[] {
    const first = Math.max(position + 1, this.oldest);
    const last = Math.min(this.#head, first + limit - 1);
    const events: FeedEvent[] = [];
    for (let p = first; p <= last; p++) events.push(this.#entry(p).event);
    return events;
  }

  seek(position: number, notBeforeMs: number): number {
    let p = Math.max(position, this.oldest - 1);
    while (p < this.#head && Date.parse(this.#entry(p + 1).event.timestamp) < notBeforeMs) p++;
    return p;
  }

  close(): void {
    this.#oldest = this.#head + 1;
    this.#slots.length = 0;
    this.#byEventId.clear();
    this.#bytes = 0;
  }

  /** Makes room for `incoming` events. Appending and reading both call it, so no timer is needed. */
  #evict(incoming = 0): void {
    const { maxAgeMs, maxBytes, maxCount } = this.#retention;
    const expiredBeforeMs = this.#clock.now() - maxAgeMs;
    while (this.#oldest <= this.#head) {
      const entry = this.#entry(this.#oldest);
      const count = this.#head - this.#oldest + 1 + incoming;
      if (count <= maxCount && this.#bytes <= maxBytes && entry.appendedAtMs >= expiredBeforeMs) return;
      this.#bytes -= entry.byteLength;
      this.#slots[this.#slot(this.#oldest)] = undefined;
      if (this.#byEventId.get(entry.event.eventId) === entry) this.#byEventId.delete(entry.event.eventId);
      this.#oldest++;
    }
  }

  #slot(position: number): number {
    return position % this.#retention.maxCount;
  }

  #entry(position: number): Entry {
    const entry = this.#slots[this.#slot(position)];
    if (entry === undefined) throw new Error(`log position ${position} is not readable`);
    return entry;
  }
}

/** Logs that live and die with the process. */
export function memoryStorage(clock: Clock, createEpoch: () => string): EventStorage {
  return { openLog: (_name, retention) => new MemoryLog(createEpoch(), retention, clock) };
}
