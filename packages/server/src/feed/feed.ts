import type { EventsError } from '@mcp-events/protocol';
import type { MaybePromise } from '../maybePromise.ts';
import type { SubscriptionDetails } from '../subscription/subscription.ts';
import type { FeedEvent, FeedRecord } from '../occurrence/feedEvent.ts';

/** Longest cursor that is handed out or taken back: a client keeps it, and the server keeps what clients come with. */
export const MAX_CURSOR_LENGTH = 8_192;

/** A stretch of a feed, read after a cursor. */
export interface FeedPage {
  readonly records: readonly FeedRecord[];
  /** Where this page starts: the cursor asked for, or the position the feed was reset to. */
  readonly from: string | null;
  /** Position after the page, also when it is empty (CUR-07). */
  readonly cursor: string | null;
  /** The page starts later than the cursor asked for (CUR-12). */
  readonly truncated: boolean;
  /** Reading again after `cursor` gives more at once. */
  readonly hasMore: boolean;
  /** When the source wants to be asked again; absent: the event type's interval. */
  readonly nextPollMs?: number | undefined;
}

export interface ReadOptions {
  /** Most records in the page. A feed never drops what does not fit: the page's cursor stands before it. */
  readonly limit: number;
  /** Start no earlier than the first event that happened at this time (CUR-08). */
  readonly notBeforeMs?: number | undefined;
}

/**
 * Takes what happens after it was attached, in feed order. While `receive` or `lose` runs, `attachment.cursor()` is still
 * the position before that event or gap, so a receiver that cannot take it may detach and remember that cursor.
 */
export interface FeedReceiver {
  readonly subscription: SubscriptionDetails;
  receive(event: FeedEvent): void;
  /** The source failed and will be tried again (PUSH-07). */
  fail(error: EventsError): void;
  /** Events were lost; the feed goes on after `cursor` (PUSH-08). */
  lose(cursor: string | null): void;
}

export interface Attachment {
  /** Position up to which this receiver has been given everything. */
  cursor(): string | null;
  /** Idempotent. */
  detach(): void;
}

/** For receivers that come back many at a time, as after a restart. */
export interface Resumption {
  /** Where a cursor stands, as an empty page. */
  locate(cursor: string): FeedPage;
  /**
   * Gives the receiver what follows `cursor`, in one pass with others that are behind, and then what happens. `undefined`
   * when the cursor is not to be had any more: read first.
   */
  attach(receiver: FeedReceiver, cursor: string): Attachment | undefined;
}

/**
 * One event type's occurrences in one order, addressed by cursors. A feed knows nothing of how events are delivered.
 * Two kinds: what `emit` appended ({@link LogFeed}, or {@link LiveFeed} without replay) and what the author's `check`
 * finds upstream ({@link CheckFeed}).
 */
export interface Feed {
  /** Whether cursors are non-null, so that reading after one is possible (CUR-06). */
  readonly replays: boolean;
  /** Whether attached receivers are found by the declared filter, so that they get only what passes it. */
  readonly filters: boolean;
  /** The current end: an empty page (CUR-02). */
  now(subscription: SubscriptionDetails): MaybePromise<FeedPage>;
  /**
   * What follows `cursor`. An unusable cursor resets and is told as `truncated`, never thrown (CUR-12). Rejects with an
   * `EventsError` when the source cannot be read.
   */
  read(subscription: SubscriptionDetails, cursor: string, options: ReadOptions): MaybePromise<FeedPage>;
  /**
   * Delivers from `cursor` on, without a hole between what was read and what is received. `undefined` when the feed
   * has moved on meanwhile: read first.
   */
  attach(receiver: FeedReceiver, cursor: string | null): Attachment | undefined;
  /** Absent where every receiver has to read for itself. */
  readonly resumption?: Resumption;
  /** Stops loops and forgets receivers. */
  close(): void;
}
