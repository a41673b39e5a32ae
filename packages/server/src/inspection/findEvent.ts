import type { Clock } from '../clock.ts';
import type { LogFeed } from '../feed/logFeed.ts';
import type { FeedEvent } from '../occurrence/feedEvent.ts';

const PAGE = 500;

/** Events that are looked at, the newest first: a log may have millions. */
const MAX_SEARCHED = 100_000;

export interface Found {
  readonly event: FeedEvent | undefined;
  /** The oldest event that was looked at. */
  readonly oldest: FeedEvent | undefined;
  /** Nothing was ever removed from the log, and all of it was looked at. */
  readonly complete: boolean;
}

/** Looks for an event among the retained ones. Others get their turn between pages. */
export async function findEvent(clock: Clock, feed: LogFeed, eventId: string): Promise<Found> {
  let oldest: FeedEvent | undefined;
  let end = feed.head;
  for (let searched = 0; end >= feed.oldest && searched < MAX_SEARCHED; searched += PAGE) {
    const start = Math.max(end - PAGE, feed.oldest - 1);
    const { first, event } = await search(clock, feed, eventId, start, end);
    oldest = first ?? oldest;
    if (event !== undefined) return { event, oldest, complete: false };
    end = start;
  }
  return { event: undefined, oldest, complete: end === 0 };
}

/** The first event of a page, and the last one of this id. Logs give large events in parts. */
async function search(
  clock: Clock,
  feed: LogFeed,
  eventId: string,
  start: number,
  end: number,
): Promise<{ first: FeedEvent | undefined; event: FeedEvent | undefined }> {
  let first: FeedEvent | undefined;
  let event: FeedEvent | undefined;
  for (let position = start; position < end;) {
    // Asynchronous also where the log answers at once, so that nobody has to wait for all pages.
    const records = (await feed.readAfter(position, end - position)).filter((read) => read.position <= end);
    const events = records.filter((read) => read.kind === 'event');
    first ??= events[0];
    event = events.findLast((candidate) => candidate.eventId === eventId) ?? event;
    position = records.at(-1)?.position ?? end;
    await new Promise<void>((resolve) => clock.setImmediate(resolve));
  }
  return { first, event };
}
