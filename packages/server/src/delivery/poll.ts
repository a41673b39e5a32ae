import type { EventOccurrence } from '@mcp-events/protocol';
import type { Feed } from '../feed/feed.ts';
import { isPromise } from '../maybePromise.ts';
import type { FeedEvent } from '../occurrence/feedEvent.ts';
import type { Selection, SelectionRules } from '../subscription/selection.ts';
import type { Subscription } from '../subscription/subscription.ts';

export interface PollRequest {
  readonly subscription: Subscription;
  readonly feed: Feed;
  readonly rules: SelectionRules;
  readonly selection: Selection;
  readonly cursor: string | null;
  readonly notBeforeMs: number | undefined;
  readonly maxEvents: number;
  readonly report: (error: unknown) => void;
}

/** One answer to a poll, before it is put on the wire. */
export interface PollBatch {
  readonly events: readonly FeedEvent[];
  readonly cursor: string | null;
  readonly truncated: boolean;
  readonly hasMore: boolean;
  readonly nextPollMs: number | undefined;
}

/**
 * Events one poll looks at in search of those that concern it. A poll over a long stretch of foreign events answers in
 * between with `hasMore`, so no request holds the server for long.
 */
const SCAN_LIMIT = 5_000;

/** Reads one batch of a subscription, without waiting for anything to happen (POLL-01, POLL-04). */
export async function collectBatch(request: PollRequest): Promise<PollBatch> {
  const { subscription, feed, rules, selection, maxEvents, notBeforeMs } = request;
  if (request.cursor === null) {
    const { cursor, nextPollMs } = await feed.now(subscription);
    return { events: [], cursor, truncated: false, hasMore: false, nextPollMs };
  }
  const events: FeedEvent[] = [];
  let cursor: string | null = request.cursor;
  let truncated = false;
  let scanned = 0;
  for (;;) {
    // No look at one event more: a checked upstream would have to read it again for the next poll.
    const limit = maxEvents - events.length;
    const page = await feed.read(subscription, cursor as string, { limit, notBeforeMs });
    truncated ||= page.truncated;
    const moved: boolean = page.cursor !== cursor;
    for (const event of page.records) {
      if (event.kind === 'gap') {
        truncated = true;
        continue;
      }
      let selected: FeedEvent | undefined;
      try {
        const selecting = selection.select(rules, subscription, event, false);
        // An await per event would cost more than the event.
        selected = isPromise(selecting) ? await selecting : selecting;
      } catch (error) {
        // Whether the event was for this subscription is unknown: it is passed over, and that is told.
        request.report(error);
        truncated = true;
      }
      if (selected !== undefined) events.push(selected);
    }
    cursor = page.cursor;
    scanned += page.records.length;
    const hasMore = page.hasMore && moved;
    const full = events.length === maxEvents || scanned >= SCAN_LIMIT || page.truncated;
    if (!hasMore || full) return { events, cursor, truncated, hasMore, nextPollMs: page.nextPollMs };
  }
}

/** The wire form: the position stands once in the result, never in an entry (OCC-05). */
export function toPollEntry(event: FeedEvent): EventOccurrence {
  const { eventId, name, timestamp, data, _meta } = event;
  return _meta === undefined ? { eventId, name, timestamp, data } : { eventId, name, timestamp, data, _meta };
}
