import type { EventsError } from '@mcp-events/protocol';
import type { Clock } from '../clock.ts';
import type { AppendOptions, EventLog } from '../storage/eventLog.ts';
import { isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';
import { FilterIndex } from '../subscription/filterIndex.ts';
import type { Filter } from '../subscription/filterIndex.ts';
import type { Subscription } from '../subscription/subscription.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Attachment, Feed, FeedPage, FeedReceiver, ReadOptions } from './feed.ts';
import { FeedEvent } from '../occurrence/feedEvent.ts';
import type { OccurrenceInput } from '../occurrence/feedEvent.ts';

/** Positions are decimal without leading zeros, so each position has one spelling. */
const CURSOR = /^([\w-]+)\.(0|[1-9]\d{0,15})$/;

class LogAttachment implements Attachment {
  readonly receiver: FeedReceiver;
  readonly subscription: Subscription;
  readonly #feed: LogFeed;
  /** Events up to here were read by, or given to, the receiver. Never behind what it was given. */
  position: number;
  attached = true;

  constructor(feed: LogFeed, receiver: FeedReceiver, position: number) {
    this.#feed = feed;
    this.receiver = receiver;
    this.subscription = receiver.subscription;
    this.position = position;
  }

  cursor(): string {
    return this.#feed.cursorAt(Math.max(this.position, this.#feed.dispatched));
  }

  detach(): void {
    if (!this.attached) return;
    this.attached = false;
    this.#feed.remove(this);
  }
}

/**
 * The feed of an event type whose author calls `emit`: everything goes through the log, so all modes share cursors.
 *
 * A receiver is attached only at the log's head. One attached while older events still wait for dispatch has read
 * them already and is skipped for them by position.
 */
export class LogFeed implements Feed {
  readonly replays = true;
  readonly #log: EventLog;
  readonly #index: FilterIndex<LogAttachment>;
  readonly #dispatcher: Dispatcher<LogAttachment>;
  readonly #epoch: string;
  /** Everything up to this position was given to all attached receivers. */
  dispatched: number;
  #closed = false;

  constructor(log: EventLog, filter: Filter, clock: Clock) {
    this.#log = log;
    this.#epoch = log.epoch;
    this.#index = new FilterIndex(filter);
    this.#dispatcher = new Dispatcher(clock, {
      candidates: (event) => this.#index.candidates(event),
      give: (attachment, event) => this.#give(attachment, event),
      finished: (event) => (this.dispatched = event.position),
    });
    this.dispatched = log.head;
  }

  /** Receivers attached now. */
  get attachedCount(): number {
    return this.#index.size;
  }

  cursorAt(position: number): string {
    return `${this.#epoch}.${position}`;
  }

  /**
   * Appends and dispatches. Settles when the event is in the log, as durably as the log is; with the retained event if
   * one of the same id was asked to be `unique`.
   */
  append(input: OccurrenceInput, options: AppendOptions): MaybePromise<FeedEvent> {
    const event = new FeedEvent(input, null);
    const appended = this.#log.append(event, options);
    if (isPromise(appended)) return appended.then((stored) => this.#appended(event, stored));
    return this.#appended(event, appended);
  }

  now(): FeedPage {
    const cursor = this.cursorAt(this.#log.head);
    return { events: [], from: cursor, cursor, truncated: false, hasMore: false };
  }

  read(_subscription: Subscription, cursor: string, options: ReadOptions): MaybePromise<FeedPage> {
    const { position, lost } = this.#locate(cursor);
    if (lost) {
      // The page stays empty so that the fresh cursor is where reading goes on, in every mode the same.
      const fresh = this.cursorAt(position);
      return { events: [], from: fresh, cursor: fresh, truncated: true, hasMore: position < this.#log.head };
    }
    if (options.notBeforeMs === undefined) return this.#page(position, position, options.limit);
    const start = this.#log.seek(position, options.notBeforeMs);
    if (isPromise(start)) return start.then((p) => this.#page(position, p, options.limit));
    return this.#page(position, start, options.limit);
  }

  attach(receiver: FeedReceiver, cursor: string | null): Attachment | undefined {
    const head = this.#log.head;
    if (this.#closed || cursor !== this.cursorAt(head)) return undefined;
    const attachment = new LogAttachment(this, receiver, head);
    this.#index.add(attachment);
    return attachment;
  }

  remove(attachment: LogAttachment): void {
    this.#index.delete(attachment);
  }

  /** Events are known to be missing after the last one: tells everybody, whenever they read (PUSH-08, CUR-12). */
  async lose(): Promise<string> {
    await this.#log.skip();
    const head = this.#log.head;
    this.dispatched = head;
    for (const attachment of this.#index.members()) {
      attachment.position = head;
      attachment.receiver.lose(this.cursorAt(head));
    }
    return this.cursorAt(head);
  }

  /** The author's source fails at the moment (PUSH-07). */
  fail(error: EventsError): void {
    for (const { receiver } of this.#index.members()) receiver.fail(error);
  }

  /** Looks receivers up by other arguments from now on. */
  setFilter(filter: Filter): void {
    this.#index.setFilter(filter);
  }

  /** Forgets the past, for good. */
  clear(): MaybePromise<void> {
    return this.#log.clear();
  }

  close(): void {
    this.#closed = true;
    this.#dispatcher.clear();
    void this.#log.close();
  }

  #appended(event: FeedEvent, stored: FeedEvent): MaybePromise<FeedEvent> {
    stored.cursor ??= this.cursorAt(stored.position);
    if (stored !== event) return stored;
    const turn = this.#dispatcher.add(event);
    return turn === undefined ? event : turn.then(() => event);
  }

  #give(attachment: LogAttachment, event: FeedEvent): void {
    if (!attachment.attached || attachment.position >= event.position) return;
    attachment.receiver.receive(event);
    if (attachment.attached) attachment.position = event.position;
  }

  /**
   * A cursor of this log that retention has passed goes on at the oldest event kept, and so does one of another run:
   * both lose least. What was never a cursor of any log, or lies in the future, says nothing: it starts from now.
   */
  #locate(cursor: string): { position: number; lost: boolean } {
    const match = CURSOR.exec(cursor);
    const oldest = this.#log.oldest;
    if (match === null) return { position: this.#log.head, lost: true };
    if (match[1] !== this.#epoch) return { position: oldest - 1, lost: true };
    const position = Number(match[2]);
    if (position > this.#log.head) return { position: this.#log.head, lost: true };
    if (position < oldest - 1) return { position: oldest - 1, lost: true };
    return { position, lost: false };
  }

  #page(asked: number, start: number, limit: number): MaybePromise<FeedPage> {
    const events = this.#log.read(start, limit);
    if (isPromise(events)) return events.then((read) => this.#pageOf(asked, start, read));
    return this.#pageOf(asked, start, events);
  }

  #pageOf(asked: number, start: number, events: readonly FeedEvent[]): FeedPage {
    for (const event of events) event.cursor ??= this.cursorAt(event.position);
    // A durable log may have lost events to retention between locating and reading: tell it like any other gap.
    const first = events[0]?.position ?? start + 1;
    const end = events.at(-1)?.position ?? start;
    return {
      events,
      from: this.cursorAt(first - 1),
      cursor: this.cursorAt(end),
      truncated: first - 1 > asked,
      hasMore: end < this.#log.head,
    };
  }
}
