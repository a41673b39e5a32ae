import type { Clock } from '../clock.ts';
import type { FeedEvent, FeedRecord } from '../occurrence/feedEvent.ts';
import { timestampMs } from '../occurrence/timestamp.ts';
import { Gap } from '../occurrence/gap.ts';
import type { AppendOptions, EventLog, Note, Retention } from './eventLog.ts';

export interface MemoryLogOptions {
  readonly retention: Retention;
  readonly clock: Clock;
  readonly createEpoch: () => string;
  readonly keepNote: (note: Note) => void;
}

/**
 * A bounded ring in memory: the past of one event type within this process. It has a fresh epoch each time, so cursors
 * of an earlier run are recognised even where the same number exists again (EMIT-09).
 */
export class MemoryLog implements EventLog {
  readonly #retention: Retention;
  readonly #clock: Clock;
  readonly #createEpoch: () => string;
  readonly #keepNote: (note: Note) => void;
  /** Slot of position p is `p % maxCount` in each of these, so appending and evicting move nothing. */
  readonly #records: (FeedRecord | undefined)[] = [];
  readonly #appendedAtMs: number[] = [];
  readonly #byteLengths: number[] = [];
  /** Made by the first search: only authors who name their events ever search. */
  #byEventId: Map<string, FeedEvent> | undefined;
  #head = 0;
  #oldest = 1;
  #bytes = 0;
  #epoch: string;

  constructor(options: MemoryLogOptions) {
    this.#retention = options.retention;
    this.#clock = options.clock;
    this.#createEpoch = options.createEpoch;
    this.#keepNote = options.keepNote;
    this.#epoch = options.createEpoch();
  }

  get epoch(): string {
    return this.#epoch;
  }

  get head(): number {
    return this.#head;
  }

  get oldest(): number {
    this.#evict();
    return this.#oldest;
  }

  append(event: FeedEvent, { byteLength, unique, note, isSame }: AppendOptions): FeedEvent {
    const retained = unique === true ? this.#find(event.eventId) : undefined;
    const isOther = retained !== undefined && isSame?.(retained) === false;
    if (note !== undefined && !isOther) this.#keepNote(note);
    if (retained !== undefined) return retained;
    event.position = this.#head + 1;
    this.#add(event, byteLength);
    this.#byEventId?.set(event.eventId, event);
    return event;
  }

  skip(): Gap {
    const gap = new Gap(this.#head + 1);
    this.#add(gap, 0);
    return gap;
  }

  clear(): void {
    this.#head = 0;
    this.#forgetAll();
    this.#epoch = this.#createEpoch();
  }

  read(position: number, limit: number): FeedRecord[] {
    const first = Math.max(position + 1, this.oldest);
    const last = Math.min(this.#head, first + limit - 1);
    const records: FeedRecord[] = [];
    for (let p = first; p <= last; p++) records.push(this.#record(p));
    return records;
  }

  seek(position: number, notBeforeMs: number): number {
    let p = Math.max(position, this.oldest - 1);
    while (p < this.#head && this.#isOlder(p + 1, notBeforeMs)) p++;
    return p;
  }

  close(): void {
    this.#forgetAll();
  }

  #add(record: FeedRecord, byteLength: number): void {
    this.#bytes += byteLength;
    this.#evict(1);
    this.#head = record.position;
    const slot = this.#slot(record.position);
    this.#records[slot] = record;
    this.#appendedAtMs[slot] = this.#clock.monotonicMs();
    this.#byteLengths[slot] = byteLength;
  }

  /** Whoever starts after a gap is told that it starts later than it asked. */
  #isOlder(position: number, notBeforeMs: number): boolean {
    const record = this.#record(position);
    return record.kind === 'gap' || timestampMs(record.timestamp) < notBeforeMs;
  }

  #forgetAll(): void {
    this.#oldest = this.#head + 1;
    this.#records.length = 0;
    this.#byEventId = undefined;
    this.#bytes = 0;
  }

  #find(eventId: string): FeedEvent | undefined {
    this.#evict();
    if (this.#byEventId === undefined) {
      this.#byEventId = new Map();
      for (const record of this.read(0, Infinity)) {
        if (record.kind === 'event') this.#byEventId.set(record.eventId, record);
      }
    }
    return this.#byEventId.get(eventId);
  }

  /** Makes room for `incoming` events. Appending and reading both call it, so no timer is needed. */
  #evict(incoming = 0): void {
    const { maxAgeMs, maxBytes, maxCount } = this.#retention;
    const expiredBeforeMs = this.#clock.monotonicMs() - maxAgeMs;
    while (this.#oldest <= this.#head) {
      const slot = this.#slot(this.#oldest);
      const count = this.#head - this.#oldest + 1 + incoming;
      const isCurrent = (this.#appendedAtMs[slot] as number) >= expiredBeforeMs;
      if (count <= maxCount && this.#bytes <= maxBytes && isCurrent) return;
      const record = this.#record(this.#oldest);
      this.#bytes -= this.#byteLengths[slot] as number;
      this.#records[slot] = undefined;
      if (record.kind === 'event' && this.#byEventId?.get(record.eventId) === record) {
        this.#byEventId.delete(record.eventId);
      }
      this.#oldest++;
    }
  }

  #slot(position: number): number {
    return position % this.#retention.maxCount;
  }

  #record(position: number): FeedRecord {
    const record = this.#records[this.#slot(position)];
    if (record === undefined) throw new Error(`log position ${position} is not readable`);
    return record;
  }
}
