import type { Clock } from '../clock.ts';
import type { FeedEvent } from '../occurrence/feedEvent.ts';
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
  readonly #events: (FeedEvent | undefined)[] = [];
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

  append(event: FeedEvent, { byteLength, unique, note }: AppendOptions): FeedEvent {
    const retained = unique === true ? this.#find(event.eventId) : undefined;
    if (note !== undefined) this.#keepNote(note);
    if (retained !== undefined) return retained;
    event.position = this.#head + 1;
    this.#bytes += byteLength;
    this.#evict(1);
    this.#head = event.position;
    const slot = this.#slot(event.position);
    this.#events[slot] = event;
    this.#appendedAtMs[slot] = this.#clock.now();
    this.#byteLengths[slot] = byteLength;
    this.#byEventId?.set(event.eventId, event);
    return event;
  }

  skip(): void {
    this.#head++;
    this.#forgetAll();
  }

  clear(): void {
    this.#head = 0;
    this.#forgetAll();
    this.#epoch = this.#createEpoch();
  }

  read(position: number, limit: number): FeedEvent[] {
    const first = Math.max(position + 1, this.oldest);
    const last = Math.min(this.#head, first + limit - 1);
    const events: FeedEvent[] = [];
    for (let p = first; p <= last; p++) events.push(this.#event(p));
    return events;
  }

  seek(position: number, notBeforeMs: number): number {
    let p = Math.max(position, this.oldest - 1);
    while (p < this.#head && Date.parse(this.#event(p + 1).timestamp) < notBeforeMs) p++;
    return p;
  }

  close(): void {
    this.#forgetAll();
  }

  #forgetAll(): void {
    this.#oldest = this.#head + 1;
    this.#events.length = 0;
    this.#byEventId = undefined;
    this.#bytes = 0;
  }

  #find(eventId: string): FeedEvent | undefined {
    this.#evict();
    this.#byEventId ??= new Map(this.read(0, Infinity).map((event) => [event.eventId, event]));
    return this.#byEventId.get(eventId);
  }

  /** Makes room for `incoming` events. Appending and reading both call it, so no timer is needed. */
  #evict(incoming = 0): void {
    const { maxAgeMs, maxBytes, maxCount } = this.#retention;
    const expiredBeforeMs = this.#clock.now() - maxAgeMs;
    while (this.#oldest <= this.#head) {
      const slot = this.#slot(this.#oldest);
      const count = this.#head - this.#oldest + 1 + incoming;
      const isCurrent = (this.#appendedAtMs[slot] as number) >= expiredBeforeMs;
      if (count <= maxCount && this.#bytes <= maxBytes && isCurrent) return;
      const event = this.#event(this.#oldest);
      this.#bytes -= this.#byteLengths[slot] as number;
      this.#events[slot] = undefined;
      if (this.#byEventId?.get(event.eventId) === event) this.#byEventId.delete(event.eventId);
      this.#oldest++;
    }
  }

  #slot(position: number): number {
    return position % this.#retention.maxCount;
  }

  #event(position: number): FeedEvent {
    const event = this.#events[this.#slot(position)];
    if (event === undefined) throw new Error(`log position ${position} is not readable`);
    return event;
  }
}
