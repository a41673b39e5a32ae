import type { EventsError } from '@mcp-events/protocol';
import { internalError } from '@mcp-events/protocol';
import type { Clock } from '../clock.ts';
import type { Attachment, Feed, FeedPage, FeedReceiver } from '../feed/feed.ts';
import { passOver } from '../feed/passOver.ts';
import type { FeedEvent } from '../occurrence/feedEvent.ts';
import { isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';
import type { Selection, SelectionRules } from '../subscription/selection.ts';
import type { SubscriptionDetails } from '../subscription/subscription.ts';
import type { Sink } from './sink.ts';
import { UnreplayableQueue } from './unreplayableQueue.ts';

export interface PumpOptions {
  readonly subscription: SubscriptionDetails;
  readonly feed: Feed;
  /** Read for each event, because an additive change of the event type may replace them. */
  readonly rules: () => SelectionRules;
  readonly selection: Selection;
  readonly sink: Sink;
  readonly clock: Clock;
  readonly report: (error: unknown) => void;
}

/** How far one {@link Pump.fill} goes at most. */
export interface FillBounds {
  /** Reads of the feed, each of which may be a call of an upstream. */
  readonly maxPages: number;
  /** Records worth reading at once now; 0 ends it. */
  limit(): number;
  /** Asked after each record: whether to stop, because time is up or nobody waits any more. */
  isOver(): boolean;
}

/** How far it went: the position, and whether reading on from there gives more at once. */
export interface Filled {
  readonly cursor: string | null;
  readonly hasMore: boolean;
  readonly nextPollMs: number | undefined;
}

/** Events read at once while catching up. */
export const PAGE_LIMIT = 256;

/** Pages after which a subscription that catches up lets others run. */
const PAGES_PER_TURN = 8;

/** How long a failing read is left alone before it is tried again; doubles up to 32 times that. */
const RETRY_MS = 1_000;

/**
 * Moves one subscription along its feed: reads after its cursor, applies match and transform, and hands events to its
 * sink in feed order, never ahead of what the sink can take.
 *
 * It is either attached (the feed calls `receive` as things happen), draining (it reads pages after its cursor), or
 * blocked (the sink is full; nothing but the cursor is kept). A decision that needs to wait, such as an asynchronous
 * `match`, leaves the attached state with the cursor before that event, so whatever happens meanwhile is read from the
 * feed afterwards and order needs no second mechanism.
 */
export class Pump implements FeedReceiver {
  readonly subscription: SubscriptionDetails;
  // Each in a field of its own: a large fan-out touches these for every event and subscription, and every object in
  // between would be one more miss in the processor's cache.
  readonly #feed: Feed;
  readonly #rules: () => SelectionRules;
  readonly #selection: Selection;
  readonly #sink: Sink;
  readonly #clock: Clock;
  readonly #report: (error: unknown) => void;
  #attachment: Attachment | undefined;
  /** Everything up to here was delivered or is not for this subscription. Meaningless while attached. */
  #cursor: string | null = null;
  #opening: FeedPage | undefined;
  #notBeforeMs: number | undefined;
  /** A gap the sink had no room for; told before anything else is delivered. */
  #untoldLoss: { readonly cursor: string | null } | undefined;
  /** Made when it is first needed. */
  #unreplayable: UnreplayableQueue | undefined;
  #endDelay: (() => void) | undefined;
  #resumesTogether = false;
  #draining = false;
  #blocked = false;
  #closed = false;

  constructor(options: PumpOptions) {
    this.subscription = options.subscription;
    this.#feed = options.feed;
    this.#rules = options.rules;
    this.#selection = options.selection;
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#report = options.report;
  }

  /** A position that is safe to keep: never past an event or a gap that the sink has not taken (PUSH-12). */
  get cursor(): string | null {
    return this.#attachment?.cursor() ?? this.#cursor;
  }

  /** Whether the feed calls it as things happen: nothing of the past is left to read. */
  get isAttached(): boolean {
    return this.#attachment !== undefined;
  }

  /**
   * Finds the position to start from, and whether it is later than asked (CUR-09). Rejects when the source cannot be
   * read. Nothing is delivered before {@link run}.
   */
  async open(cursor: string | null, notBeforeMs?: number): Promise<{ cursor: string | null; truncated: boolean }> {
    const feed = this.#feed;
    const replay = feed.replays && cursor !== null;
    this.#notBeforeMs = replay ? notBeforeMs : undefined;
    const page = await (replay
      ? feed.read(this.subscription, cursor, { limit: PAGE_LIMIT, notBeforeMs: this.#notBeforeMs })
      : feed.now(this.subscription));
    // Without replay there is nothing on the page, and every step before attaching could lose an event.
    this.#opening = feed.replays ? page : undefined;
    this.#cursor = page.from;
    return { cursor: page.from, truncated: page.truncated };
  }

  /**
   * Does what {@link open} does for one of many subscriptions that come back together: what it missed is given to all of
   * them in one pass. `undefined` where each has to read for itself.
   */
  openTogether(cursor: string): { cursor: string | null; truncated: boolean } | undefined {
    const page = this.#feed.resumption?.locate(cursor);
    if (page === undefined) return undefined;
    this.#resumesTogether = true;
    this.#cursor = page.from;
    return { cursor: page.from, truncated: page.truncated };
  }

  /** Takes `cursor` on trust, for when the source cannot be read at the moment. */
  openAt(cursor: string, notBeforeMs?: number): void {
    this.#cursor = cursor;
    this.#notBeforeMs = notBeforeMs;
  }

  run(): void {
    void this.#drain();
  }

  /** The sink has room again. */
  resume(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    if (!this.#draining && this.#attachment === undefined) void this.#drain();
  }

  close(): void {
    this.#closed = true;
    this.#detach();
    this.#unreplayable?.close();
    this.#unreplayable = undefined;
    this.#opening = undefined;
    this.#endDelay?.();
  }

  receive(event: FeedEvent): void {
    if (this.#unreplayable !== undefined) {
      this.#unreplayable.add(event);
      return;
    }
    let selected;
    try {
      selected = this.#select(event, this.#feed.filters);
    } catch (error) {
      this.#selectionFailed(event, error);
      return;
    }
    if (isPromise(selected)) {
      if (!this.#feed.replays) {
        this.#queueUnreplayable(event, selected);
        return;
      }
      this.#detach();
      void this.#settle(event, selected);
    } else if (selected !== undefined && !this.#sink.deliver(selected)) {
      // The attachment still stands before this event.
      this.#block();
    }
  }

  fail(error: EventsError): void {
    this.#sink.fail(error);
  }

  lose(cursor: string | null): void {
    if (this.#unreplayable !== undefined) {
      this.#unreplayable.addLoss();
      return;
    }
    this.#untoldLoss = { cursor };
    // The feed still stands before the gap.
    if (!this.#tellLoss()) this.#block();
  }

  /**
   * Gives the sink what there is after the cursor, up to what it takes and within `bounds`, without ever waiting for
   * something to happen: a poll. Rejects when the source cannot be read.
   */
  async fill(bounds: FillBounds): Promise<Filled> {
    let nextPollMs: number | undefined;
    for (let pages = 1; ; pages++) {
      const asked = this.#cursor;
      const limit = bounds.limit();
      const page = await this.#read(limit);
      if (page === undefined) return { cursor: asked, hasMore: false, nextPollMs };
      ({ nextPollMs } = page);
      if (page.truncated) this.#untoldLoss = { cursor: page.from };
      if (this.#closed || !this.#tellLoss()) return { cursor: this.#cursor, hasMore: true, nextPollMs };
      if (!(await this.#deliverPage(page, bounds))) {
        return { cursor: this.#cursor, hasMore: page.hasMore || this.#cursor !== page.cursor, nextPollMs };
      }
      this.#cursor = page.cursor;
      // An upstream that says "more" without moving would otherwise be asked for ever.
      const hasMore = page.hasMore && page.cursor !== asked;
      const full = page.truncated || pages >= bounds.maxPages || bounds.limit() === 0 || bounds.isOver();
      if (!hasMore || full) return { cursor: page.cursor, hasMore, nextPollMs };
      await this.#turn();
      if (bounds.isOver()) return { cursor: page.cursor, hasMore, nextPollMs };
    }
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    let pages = 0;
    let failures = 0;
    while (!this.#closed && !this.#blocked && this.#tellLoss()) {
      let page = this.#opening;
      let asked: string | null | undefined;
      this.#opening = undefined;
      if (page === undefined) {
        if (this.#notBeforeMs === undefined && this.#attach()) break;
        if (++pages % PAGES_PER_TURN === 0) await this.#turn();
        if (this.#closed) break;
        asked = this.#cursor;
        try {
          page = await this.#read();
          failures = 0;
        } catch (error) {
          if (!this.#closed) this.#sink.fail(error as EventsError);
          await this.#delay(RETRY_MS * 2 ** Math.min(failures++, 5));
          continue;
        }
        if (page?.truncated === true) this.#untoldLoss = { cursor: page.from };
        if (page === undefined || this.#closed || !this.#tellLoss()) continue;
      }
      if (await this.#deliverPage(page)) {
        this.#cursor = page.cursor;
        // An upstream that says "more" without moving would otherwise be asked in a tight loop.
        if (!page.hasMore || page.cursor === asked) this.#notBeforeMs = undefined;
      }
    }
    this.#draining = false;
  }

  #read(limit = PAGE_LIMIT): MaybePromise<FeedPage> | undefined {
    const feed = this.#feed;
    // Without a cursor there is nothing to read after: attaching is all there is.
    if (this.#cursor === null) return undefined;
    return feed.read(this.subscription, this.#cursor, { limit, notBeforeMs: this.#notBeforeMs });
  }

  /** Whether the whole page was dealt with. What the sink refused is read again later rather than kept. */
  async #deliverPage(page: FeedPage, bounds?: FillBounds): Promise<boolean> {
    for (const record of page.records) {
      if (record.kind === 'gap') {
        passOver(this, record);
      } else {
        try {
          const selection = this.#select(record, false);
          const selected = isPromise(selection) ? await selection : selection;
          if (this.#closed) return false;
          if (selected !== undefined && !this.#sink.deliver(selected)) this.#blocked = true;
        } catch (error) {
          this.#selectionFailed(record, error);
        }
      }
      if (this.#closed || this.#blocked) return false;
      this.#cursor = record.cursor;
      // After each, so that every answer goes on by one record at least.
      if (bounds?.isOver() === true) return false;
    }
    return true;
  }

  /** Finishes an event whose selection has to wait, then goes on from the feed. */
  async #settle(event: FeedEvent, selection: Promise<FeedEvent | undefined>): Promise<void> {
    this.#draining = true;
    try {
      const selected = await selection;
      if (this.#closed) return;
      if (selected !== undefined && !this.#sink.deliver(selected)) this.#blocked = true;
      else this.#cursor = event.cursor;
    } catch (error) {
      this.#selectionFailed(event, error);
    } finally {
      this.#draining = false;
    }
    if (!this.#blocked) void this.#drain();
  }

  /** Where nothing can be read again, events wait in order behind the one that is being decided. */
  #queueUnreplayable(event: FeedEvent, selection: Promise<FeedEvent | undefined>): void {
    this.#unreplayable = new UnreplayableQueue(event, selection, {
      select: (next) => this.#select(next, true),
      deliver: (selected) => {
        // What was lost is told before what comes after it.
        if (this.#untoldLoss !== undefined && this.#sink.lose(null)) this.#untoldLoss = undefined;
        if (this.#untoldLoss !== undefined || !this.#sink.deliver(selected)) this.#untoldLoss = { cursor: null };
      },
      lose: () => {
        if (!this.#sink.lose(null)) this.#untoldLoss = { cursor: null };
      },
      failed: (failed, error) => this.#selectionFailed(failed, error),
      finished: () => {
        this.#unreplayable = undefined;
        if (this.#untoldLoss !== undefined && !this.#tellLoss()) this.#block();
      },
    });
  }

  #select(event: FeedEvent, indexed: boolean): ReturnType<Selection['select']> {
    return this.#selection.select(this.#rules(), this.subscription, event, indexed);
  }

  /** Nobody knows whether the event was for this subscription: it is passed over, and that is told. */
  #selectionFailed(event: FeedEvent, error: unknown): void {
    if (this.#closed) return;
    this.#report(error);
    this.#sink.fail(internalError(`An event of ${event.name} could not be prepared for this subscription`));
    // Without replay there is no position that could move, and the failure says it all (CUR-14).
    if (this.#feed.replays) this.lose(event.cursor);
  }

  /** `false` when the sink has no room for it; it is told first thing after `resume`. */
  #tellLoss(): boolean {
    if (this.#untoldLoss === undefined) return true;
    if (!this.#sink.lose(this.#untoldLoss.cursor)) {
      this.#blocked = true;
      return false;
    }
    this.#cursor = this.#untoldLoss.cursor;
    this.#untoldLoss = undefined;
    return true;
  }

  #attach(): boolean {
    const { resumption } = this.#feed;
    this.#attachment = this.#feed.attach(this, this.#cursor);
    if (this.#attachment === undefined && this.#resumesTogether && this.#cursor !== null) {
      this.#attachment = resumption?.attach(this, this.#cursor);
    }
    // Once: whoever cannot keep up with the others reads at its own pace.
    this.#resumesTogether = false;
    return this.#attachment !== undefined;
  }

  #detach(): void {
    if (this.#attachment === undefined) return;
    this.#cursor = this.#attachment.cursor();
    this.#attachment.detach();
    this.#attachment = undefined;
  }

  #block(): void {
    this.#blocked = true;
    if (!this.#feed.replays) this.#untoldLoss = { cursor: null };
    this.#detach();
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.setImmediate(resolve));
  }

  async #delay(delayMs: number): Promise<void> {
    if (this.#closed) return;
    let timer: unknown;
    await new Promise<void>((resolve) => {
      this.#endDelay = resolve;
      timer = this.#clock.setTimeout(resolve, delayMs);
    });
    this.#clock.clearTimeout(timer);
    this.#endDelay = undefined;
  }
}
