import { internalError } from '@mcp-events/protocol';
import type { EventsError } from '@mcp-events/protocol';
import type { Clock } from '../clock.ts';
import type { AppendOptions, EventLog } from '../storage/eventLog.ts';
import { isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';
import { FilterIndex } from '../subscription/filterIndex.ts';
import type { Filter } from '../subscription/filterIndex.ts';
import type { SubscriptionDetails } from '../subscription/subscription.ts';
import { DamageReports } from './damageReports.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Attachment, Feed, FeedPage, FeedReceiver, ReadOptions, Resumption } from './feed.ts';
import { LogAttachment } from './logAttachment.ts';
import type { LogDispatch } from './logAttachment.ts';
import { LogReplay } from './logReplay.ts';
import { StoredOrder } from './storedOrder.ts';
import { FeedEvent } from '../occurrence/feedEvent.ts';
import type { FeedRecord, OccurrenceInput } from '../occurrence/feedEvent.ts';
import { Gap } from '../occurrence/gap.ts';

/** Positions are decimal without leading zeros, so each position has one spelling. */
const CURSOR = /^([\w-]+)\.(0|[1-9]\d{0,15})$/;

/** Events after which it is worth a look which positions are far behind. */
const ADVANCE_EVENTS = 1_024;

export interface LogFeedOptions {
  readonly log: EventLog;
  readonly filter: Filter;
  readonly clock: Clock;
  readonly report: (error: unknown) => void;
  /** Many events were dispatched since the last call. */
  readonly onAdvanced?: (() => void) | undefined;
}

/**
 * The feed of an event type whose author calls `emit`: everything goes through the log, so all modes share cursors.
 *
 * A receiver is attached only at the log's head. One attached while older events still wait for dispatch has read
 * them already and is skipped for them by position.
 */
export class LogFeed implements Feed, LogDispatch {
  readonly replays = true;
  readonly filters = true;
  readonly resumption: Resumption;
  readonly #log: EventLog;
  readonly #index: FilterIndex<LogAttachment>;
  readonly #dispatcher: Dispatcher<LogAttachment>;
  readonly #stored: StoredOrder;
  readonly #replay: LogReplay;
  readonly #epoch: string;
  readonly #report: (error: unknown) => void;
  readonly #damage: DamageReports;
  /** Everything up to this position was given to all attached receivers. */
  dispatched: number;
  #closed = false;

  constructor({ log, filter, clock, report, onAdvanced }: LogFeedOptions) {
    this.#log = log;
    this.#epoch = log.epoch;
    this.#report = report;
    this.#damage = new DamageReports(report);
    this.#index = new FilterIndex(filter);
    this.#dispatcher = new Dispatcher(clock, {
      candidates: (record) => this.#index.concernedBy(record),
      give: (attachment, record) => attachment.give(record),
      finished: ({ position }) => {
        this.dispatched = position;
        if (position % ADVANCE_EVENTS === 0) onAdvanced?.();
      },
    });
    this.dispatched = log.head;
    this.#stored = new StoredOrder({
      head: log.head,
      take: (record) => this.#dispatcher.add(record),
      read: (position, limit) => this.#recordsBehind(position, limit),
      gapAt: (position) => new Gap(position, this.cursorAt(position)),
      report,
    });
    this.#replay = new LogReplay({
      log,
      clock,
      filter,
      report,
      damage: this.#damage,
      cursorAt: (position) => this.cursorAt(position),
      arrived: (attachment) => this.#follow(attachment),
    });
    this.resumption = {
      locate: (cursor) => this.#located(this.#locate(cursor)),
      attach: (receiver, cursor) => this.#attachBehind(receiver, cursor),
    };
  }

  /** Receivers attached now. */
  get attachedCount(): number {
    return this.#index.size + this.#replay.size;
  }

  /** Position of the newest event, 0 when there never was one. */
  get head(): number {
    return this.#log.head;
  }

  /** Position of the oldest event that can be read; one after the newest when there is none. */
  get oldest(): number {
    return this.#log.oldest;
  }

  /** `undefined` for a cursor of another log, or another past. */
  positionOf(cursor: string): number | undefined {
    const [, epoch = '', digits] = CURSOR.exec(cursor) ?? [];
    const position = Number(digits);
    if (epoch === this.#epoch) return position;
    const known = this.#knownUpTo(epoch);
    return known !== undefined && position <= known ? position : undefined;
  }

  /** Whether it is a cursor of a past that this log was restored from. */
  isInherited(cursor: string): boolean {
    const epoch = CURSOR.exec(cursor)?.[1];
    return epoch !== undefined && epoch !== this.#epoch && this.#knownUpTo(epoch) !== undefined;
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
    return this.#stored.call(
      () => this.#log.append(event, options),
      (stored) => this.#appended(stored),
    );
  }

  now(): FeedPage {
    const cursor = this.cursorAt(this.#log.head);
    return { records: [], from: cursor, cursor, truncated: false, hasMore: false };
  }

  read(_subscription: SubscriptionDetails, cursor: string, options: ReadOptions): MaybePromise<FeedPage> {
    // Nobody can be attached behind what is read: whoever wants to would read again and again.
    if (this.#closed) throw internalError('The events cannot be read at the moment');
    const place = this.#locate(cursor);
    // The page stays empty so that the fresh cursor is where reading goes on, in every mode the same.
    try {
      const page = place.lost ? this.#fresh(place.position, options) : this.#readFrom(place.position, options);
      return isPromise(page) ? page.catch((error: unknown) => this.#cannotRead(error)) : page;
    } catch (error) {
      return this.#cannotRead(error);
    }
  }

  /** What stands after a position, whoever it is for. */
  async readAfter(position: number, limit: number): Promise<readonly FeedRecord[]> {
    const { records } = await this.#page(position, position, limit);
    return records;
  }

  attach(receiver: FeedReceiver, cursor: string | null): Attachment | undefined {
    const head = this.#log.head;
    if (this.#closed || cursor !== this.cursorAt(head)) return undefined;
    const attachment = new LogAttachment(this, receiver, head);
    this.#index.add(attachment);
    return attachment;
  }

  #attachBehind(receiver: FeedReceiver, cursor: string): Attachment | undefined {
    const { position, lost } = this.#locate(cursor);
    if (this.#closed || lost) return undefined;
    const attachment = new LogAttachment(this, receiver, position);
    this.#replay.add(attachment);
    return attachment;
  }

  /** It was given everything up to the head of the log. */
  #follow(attachment: LogAttachment): void {
    attachment.dispatch = this;
    attachment.position = this.#log.head;
    this.#index.add(attachment);
  }

  remove(attachment: LogAttachment): void {
    this.#index.delete(attachment);
  }

  /**
   * Events are known to be missing after the last one. The gap stands in the order like an event: everybody is told of it
   * after what was appended before and ahead of what is appended later, whenever they read (PUSH-08, CUR-12). Settles when
   * it is in the log, with the position after it.
   */
  lose(): MaybePromise<string> {
    return this.#stored.call(
      () => this.#log.skip(),
      (gap) => this.#skipped(gap),
    );
  }

  /** The author's source fails at the moment (PUSH-07). */
  fail(error: EventsError): void {
    for (const { receiver } of this.#index.members()) receiver.fail(error);
  }

  /** Looks receivers up by other arguments from now on. */
  setFilter(filter: Filter): void {
    this.#index.setFilter(filter);
    this.#replay.setFilter(filter);
  }

  /** Forgets the past, for good. */
  clear(): MaybePromise<void> {
    return this.#log.clear();
  }

  close(): void {
    this.#closed = true;
    this.#dispatcher.clear();
    this.#replay.close();
    try {
      const closed = this.#log.close();
      if (isPromise(closed)) closed.catch(this.#report);
    } catch (error) {
      // What else is to be closed is not to be kept from it.
      this.#report(error);
    }
  }

  #appended(stored: FeedEvent): MaybePromise<FeedEvent> {
    stored.cursor ??= this.cursorAt(stored.position);
    const turn = this.#stored.add(stored);
    return turn === undefined ? stored : turn.then(() => stored);
  }

  #recordsBehind(position: number, limit: number): MaybePromise<readonly FeedRecord[]> {
    const page = this.#page(position, position, limit);
    return isPromise(page) ? page.then(({ records }) => records) : page.records;
  }

  #skipped(gap: Gap): MaybePromise<string> {
    const cursor = (gap.cursor ??= this.cursorAt(gap.position));
    const turn = this.#stored.add(gap);
    return turn === undefined ? cursor : turn.then(() => cursor);
  }

  /**
   * A cursor of this log that retention has passed goes on at the oldest event kept, and so does one of another run:
   * both lose least. One of a past that this log was restored from goes on where that was, as far as it was restored.
   * What was never a cursor of any log, or lies in the future, says nothing: it starts from now.
   */
  #locate(cursor: string): { position: number; lost: boolean } {
    const match = CURSOR.exec(cursor);
    const oldest = this.#log.oldest;
    if (match === null) return { position: this.#log.head, lost: true };
    const known = this.#knownUpTo(match[1] as string);
    if (known === undefined) return { position: oldest - 1, lost: true };
    const position = Number(match[2]);
    if (position > known) return { position: Math.max(known, oldest - 1), lost: true };
    if (position < oldest - 1) return { position: oldest - 1, lost: true };
    return { position, lost: false };
  }

  /** The last position of an epoch that means the same here; `undefined` for an epoch that has nothing to do with this log. */
  #knownUpTo(epoch: string): number | undefined {
    if (epoch === this.#epoch) return this.#log.head;
    return this.#log.ancestors?.find((ancestor) => ancestor.epoch === epoch)?.head;
  }

  #readFrom(position: number, { limit, notBeforeMs }: ReadOptions): MaybePromise<FeedPage> {
    if (notBeforeMs === undefined) return this.#page(position, position, limit);
    const start = this.#log.seek(position, notBeforeMs);
    if (isPromise(start)) return start.then((p) => this.#page(position, p, limit));
    return this.#page(position, start, limit);
  }

  /** What storage says is for the operator. */
  #cannotRead(error: unknown): never {
    this.#report(error);
    throw internalError('The events cannot be read at the moment');
  }

  /** Where to go on with nothing to go on from: behind what is too old, as a later run knows the position alone. */
  #fresh(position: number, { notBeforeMs }: ReadOptions): MaybePromise<FeedPage> {
    const start = notBeforeMs === undefined ? position : this.#log.seek(position, notBeforeMs);
    const located = (found: number): FeedPage => this.#located({ position: found, lost: true });
    return isPromise(start) ? start.then(located) : located(start);
  }

  /** An empty page at a place. */
  #located({ position, lost }: { position: number; lost: boolean }): FeedPage {
    const cursor = this.cursorAt(position);
    return { records: [], from: cursor, cursor, truncated: lost, hasMore: position < this.#log.head };
  }

  #page(asked: number, start: number, limit: number): MaybePromise<FeedPage> {
    const records = this.#log.read(start, limit);
    if (isPromise(records)) return records.then((read) => this.#pageOf(asked, start, read));
    return this.#pageOf(asked, start, records);
  }

  #pageOf(asked: number, start: number, records: readonly FeedRecord[]): FeedPage {
    for (const record of records) {
      record.cursor ??= this.cursorAt(record.position);
      if (record.kind === 'gap') this.#damage.report(record);
    }
    // A durable log may have lost events to retention between locating and reading: tell it like any other gap.
    const first = records[0]?.position ?? start + 1;
    const end = records.at(-1)?.position ?? start;
    return {
      records,
      from: this.cursorAt(first - 1),
      cursor: this.cursorAt(end),
      truncated: first - 1 > asked,
      hasMore: end < this.#log.head,
    };
  }
}
