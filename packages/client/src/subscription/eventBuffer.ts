import type { EventOccurrence } from '@mcp-events/protocol';
import type { ClientDeliveryMode } from '../delivery/chooseMode.ts';
import { onAborted } from '../untilAborted.ts';
import { MAX_IDS_BEYOND_POSITION, RecentIds } from './recentIds.ts';
import { estimatedBytes, type ReceivedEvent, receivedEvent } from './receivedEvent.ts';

/** Why events may be missing at a place in the order. */
export interface Gap {
  /**
   * `truncated`: the server could not serve everything after the last position. `overflow`: the application was slower
   * than a type without replay. `restarted`: the server refused the kept position after a schema change. `overdue`: a
   * webhook is missing in the order, and those behind it are handed out; if it still arrives, it follows late.
   * `interrupted`: delivery began again, or for the first time after `subscribe()` had resolved, and there was no position
   * to go on from, so it goes on from now. `unreadable`: the server sent an event, or the beginning
   * of a stream, that is not what the protocol describes.
   */
  reason: 'truncated' | 'overflow' | 'restarted' | 'overdue' | 'interrupted' | 'unreadable';
  /** The position delivery goes on from, where known. */
  cursor: string | null;
}

/** An event that waits for the application. */
export interface EventItem {
  kind: 'event';
  event: ReceivedEvent;
  /** As received: the application may change what it is handed. */
  eventId: string;
  cursor: string | null;
  bytes: number;
  /** No event handed out before lies beyond this one's place. */
  inOrder: boolean;
}

/** One step in the subscription's order. */
export type BufferItem = EventItem | ({ kind: 'position' } & Move) | ({ kind: 'gap'; gap: Gap } & Move);

/** Where the position goes without an event. */
interface Move {
  /** Null leaves it where it is. */
  cursor: string | null;
  /** Replaces the ids acknowledged beyond the position; absent keeps them. */
  seen?: string[];
}

/** Bounds of what waits for the application. */
export interface BufferLimits {
  maxEvents: number;
  maxBytes: number;
}

/**
 * What was received and not yet handed to the application: events, moves of the position and gaps in one order, so
 * that each takes effect at its place. Delivery loops fill it, the subscription empties it.
 *
 * Invariant: nothing behind `resumeCursor` is missing in here, so a stream may be dropped at any moment and reopened
 * from it; what comes again then is recognised by its id.
 */
export class EventBuffer {
  #items: BufferItem[] = [];
  #head = 0;
  #events = 0;
  #bytes = 0;
  #resumeCursor: string | null;
  readonly #recent: RecentIds;
  readonly limits: BufferLimits;
  /** What a start without a position is told as; undefined while nothing was promised. */
  #startGap: 'interrupted' | 'restarted' | undefined;
  /** Taken in hand, and still in its place. */
  #claimed: BufferItem | undefined;
  readonly #waiting = new Set<() => void>();
  /** Called after each arrival. */
  onArrival: () => void = () => {};

  constructor(cursor: string | null, seen: readonly string[], limits: BufferLimits) {
    this.#resumeCursor = cursor;
    this.#recent = new RecentIds(seen);
    this.limits = limits;
  }

  /** What the next request asks to continue from: the cursor received last (CLIENT-06). */
  get resumeCursor(): string | null {
    return this.#resumeCursor;
  }

  /** From here on the application relies on this subscription: what it misses has to be told. */
  promise(): void {
    this.#startGap ??= 'interrupted';
  }

  /**
   * The server accepted a request that begins delivery.
   *
   * @param from where it asked to go on from; without a position delivery goes on from now, and what happened since it was
   *   promised or interrupted is missing
   * @param cursor where it goes on from, where known
   */
  began(from: string | null, cursor: string | null): void {
    const reason = from === null ? this.#startGap : undefined;
    this.#startGap = 'interrupted';
    if (reason !== undefined) this.gap({ reason, cursor });
  }

  /**
   * Takes a pushed event with its own cursor. `full` means it was not taken and the sender must be stopped: there is
   * a position to come back from. `repeated` is one that was taken before.
   */
  pushed(occurrence: EventOccurrence, delivery: ClientDeliveryMode): 'taken' | 'repeated' | 'full' {
    const cursor = occurrence.cursor ?? null;
    if (this.#recent.has(occurrence.eventId)) {
      this.#duplicate(occurrence.eventId, cursor);
      return 'repeated';
    }
    const event = receivedEvent(occurrence, delivery);
    const bytes = estimatedBytes(event);
    if (this.isFull(bytes)) {
      if (this.#resumeCursor !== null) return 'full';
      // Without replay nothing can bring the event back: bounded memory means losing it, told once per run (G5, G2).
      this.gap({ reason: 'overflow', cursor: null });
      return 'taken';
    }
    this.#addEvent(event, bytes, true);
    // A null cursor is no position (CUR-05).
    if (cursor !== null) this.#resumeCursor = cursor;
    return 'taken';
  }

  /**
   * Takes an event that a webhook brought; it is acknowledged already, so it is not refused: ask {@link isFull} first.
   * Its cursor lies at the event or anywhere before it, and never past one that did not arrive.
   *
   * @param inOrder its cursor is its own position, and everything before that was taken or told as lost
   */
  posted(event: ReceivedEvent, bytes: number, inOrder: boolean): void {
    // A repetition may come from a server that began again far behind.
    if (this.#recent.has(event.eventId)) return;
    this.#addEvent(event, bytes, inOrder);
    if (event.cursor !== null) this.#resumeCursor = event.cursor;
  }

  /**
   * Takes a poll result's events and then its cursor, which counts only once the whole batch is acknowledged
   * (POLL-09). A batch is taken whole: it is in memory already, and was asked for only when nothing was waiting.
   *
   * @param occurrences undefined for what could not be read: told as a gap in its place
   * @returns how many of the events were new
   */
  batch(
    occurrences: readonly (EventOccurrence | undefined)[],
    cursor: string | null,
    delivery: ClientDeliveryMode,
  ): number {
    let fresh = 0;
    for (const occurrence of occurrences) {
      if (occurrence === undefined) {
        this.gap({ reason: 'unreadable', cursor: null });
        continue;
      }
      if (this.#recent.has(occurrence.eventId)) continue;
      fresh += 1;
      const event = receivedEvent({ ...occurrence, cursor: null }, delivery);
      this.#addEvent(event, estimatedBytes(event), true);
    }
    const last = occurrences.findLast((occurrence) => occurrence !== undefined);
    if (last === undefined) this.position(cursor);
    else if (cursor !== null) this.#duplicate(last.eventId, cursor);
    return fresh;
  }

  /**
   * The position moved in a quiet time (heartbeat, empty poll result, first message of a stream, refresh).
   *
   * @param seen ids that may lie beyond it
   */
  position(cursor: string | null, seen?: string[]): void {
    if (cursor === null) return;
    this.#resumeCursor = cursor;
    this.#addMove({ kind: 'position', cursor, seen });
  }

  /**
   * Something may be missing here; the position goes on from `gap.cursor` if there is one.
   *
   * @param seen ids that may lie beyond it
   */
  gap(gap: Gap, seen?: string[]): void {
    if (gap.cursor !== null) this.#resumeCursor = gap.cursor;
    this.#addMove({ kind: 'gap', gap, cursor: gap.cursor, seen });
  }

  /** Ids of the events received last, as many as are kept with a position. */
  latestIds(): string[] {
    return this.#recent.latest(MAX_IDS_BEYOND_POSITION);
  }

  /** Gives the position up: what comes next starts from now, which is told when it does. */
  restart(): void {
    this.#resumeCursor = null;
    this.#startGap = 'restarted';
  }

  /** The item that comes next, left in place. */
  peek(): BufferItem | undefined {
    return this.#items[this.#head];
  }

  /**
   * The item that comes next, to be removed when it has taken effect: until then nothing that arrives is merged into it, so
   * that an effect which fails can be repeated and loses nothing.
   */
  claim(): BufferItem | undefined {
    this.#claimed = this.peek();
    return this.#claimed;
  }

  /** The item after the one that comes next. */
  peekSecond(): BufferItem | undefined {
    return this.#items[this.#head + 1];
  }

  /** Removes the item that came next. */
  shift(): void {
    const item = this.#items[this.#head];
    if (item === undefined) return;
    if (item.kind === 'event') {
      this.#events -= 1;
      this.#bytes -= item.bytes;
    }
    this.#head += 1;
    // Moving the array only when half of it is used up keeps each removal at constant cost on average.
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    for (const wake of this.#waiting) wake();
  }

  /** Drops everything. */
  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.#events = 0;
    this.#bytes = 0;
    for (const wake of this.#waiting) wake();
  }

  /** Whether an event of this size goes beyond the bounds. */
  isFull(bytes: number): boolean {
    // An event beyond the byte bound on its own is taken when nothing else waits, or it could never arrive.
    return this.#events > 0 && (this.#events >= this.limits.maxEvents || this.#bytes + bytes > this.limits.maxBytes);
  }

  /** Resolves when no event waits for the application, or when the signal aborts. */
  whenEmpty(signal: AbortSignal): Promise<void> {
    return this.#when(() => this.#events === 0, signal);
  }

  /** Resolves when less than half of the bounds is used, or when the signal aborts. */
  whenDrained(signal: AbortSignal): Promise<void> {
    // Half: so that a slow reader costs a reconnect per half buffer, not one per event.
    const { maxEvents, maxBytes } = this.limits;
    return this.#when(() => this.#events * 2 <= maxEvents && this.#bytes * 2 <= maxBytes, signal);
  }

  /** The position stands right after an event received before: what followed that event is acknowledged beyond it. */
  #duplicate(eventId: string, cursor: string | null): void {
    if (cursor === null) return;
    this.#resumeCursor = cursor;
    const seen = this.#recent.after(eventId, MAX_IDS_BEYOND_POSITION);
    if (seen !== undefined) this.#addMove({ kind: 'position', cursor, seen });
  }

  /** Neighbouring moves become one, so a stream of heartbeats, gaps or duplicates never fills the memory. */
  #addMove(move: Exclude<BufferItem, EventItem>): void {
    const tail = this.#tail();
    if (tail === undefined || tail.kind === 'event' || tail === this.#claimed) {
      this.#add(move);
      return;
    }
    const { cursor } = move.cursor === null ? tail : move;
    const seen = move.seen ?? tail.seen;
    const merged = move.kind === 'gap' || tail.kind === 'position' ? move : tail;
    this.#items[this.#items.length - 1] = { ...merged, cursor, seen };
    this.onArrival();
  }

  #tail(): BufferItem | undefined {
    return this.#head < this.#items.length ? this.#items.at(-1) : undefined;
  }

  #addEvent(event: ReceivedEvent, bytes: number, inOrder: boolean): void {
    const { eventId, cursor } = event;
    this.#recent.add(eventId);
    this.#events += 1;
    this.#bytes += bytes;
    this.#add({ kind: 'event', event, eventId, cursor, bytes, inOrder });
  }

  #add(item: BufferItem): void {
    this.#items.push(item);
    this.onArrival();
  }

  #when(condition: () => boolean, signal: AbortSignal): Promise<void> {
    if (signal.aborted || condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const check = (): void => {
        if (!signal.aborted && !condition()) return;
        this.#waiting.delete(check);
        forget();
        resolve();
      };
      this.#waiting.add(check);
      const forget = onAborted(signal, check);
    });
  }
}
