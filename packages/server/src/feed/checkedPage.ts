import type { CheckedEvent, CheckResult } from './check.ts';
import { encodeCheckCursor } from './checkCursor.ts';
import type { CheckCursor } from './checkCursor.ts';
import type { FeedPage, ReadOptions } from './feed.ts';
import { FeedEvent } from '../occurrence/feedEvent.ts';
import { snapshotPayload } from '../occurrence/payload.ts';
import type { Payload } from '../occurrence/payload.ts';
import { isoTimestamp } from '../occurrence/timestamp.ts';

interface PageContext {
  readonly name: string;
  readonly validate: (data: unknown) => void;
  readonly maxPayloadBytes: number;
  /** The id under which an upstream's id is known here. */
  readonly eventIdOf: (authored: string) => string;
}

/**
 * The page a check's answer stands for: without what the cursor says was delivered already, cut at the limit, and with
 * a cursor after each event.
 */
export function checkedPage(
  context: PageContext,
  position: CheckCursor,
  result: CheckResult,
  options: ReadOptions,
): FeedPage {
  const { limit, notBeforeMs } = options;
  const { events, cursor: end } = result;
  const endCursor = encodeCheckCursor({ upstream: end, skip: 0 });
  // Fewer events than were seen before: the upstream broke its promise, and what lay between cannot be known.
  if (result.truncated === true || events.length < position.skip) {
    const { hasMore = false, nextPollMs } = result;
    return { events: [], from: endCursor, cursor: endCursor, truncated: true, hasMore, nextPollMs };
  }
  const all = events.map((event, index) => {
    const upstream = event.cursor ?? (index === events.length - 1 ? end : undefined);
    const between = { upstream: position.upstream, skip: index + 1 };
    return toFeedEvent(context, event, encodeCheckCursor(upstream === undefined ? between : { upstream, skip: 0 }));
  });
  const unseen = all.slice(position.skip);
  const wanted = notBeforeMs === undefined ? unseen : unseen.filter((e) => Date.parse(e.timestamp) >= notBeforeMs);
  const taken = wanted.slice(0, limit);
  const cut = taken.length < wanted.length;
  const tooOld = wanted.length < unseen.length;
  const start = encodeCheckCursor(position);
  return {
    events: taken,
    from: tooOld ? cursorBefore(all, wanted[0], start, endCursor) : start,
    cursor: cut ? (taken.at(-1)?.cursor ?? start) : endCursor,
    truncated: tooOld,
    hasMore: cut || result.hasMore === true,
    nextPollMs: result.nextPollMs,
  };
}

function cursorBefore(all: readonly FeedEvent[], first: FeedEvent | undefined, start: string, end: string): string {
  if (first === undefined) return end;
  return all[all.indexOf(first) - 1]?.cursor ?? start;
}

function toFeedEvent(context: PageContext, event: CheckedEvent, cursor: string): FeedEvent {
  const { name } = context;
  if (typeof event?.eventId !== 'string' || event.eventId === '') {
    throw new TypeError(`check of ${name} returned an event without eventId`);
  }
  const eventId = context.eventIdOf(event.eventId);
  const timestamp = isoTimestamp(event.timestamp, `the event ${eventId} that check of ${name} returned`);
  const _meta =
    event._meta === undefined
      ? undefined
      : snapshotPayload(event._meta, `_meta of the event ${eventId} that check of ${name} returned`).data;
  const what = `data of the event ${eventId} that check of ${name} returned`;
  const payload = snapshotPayload(event.data, what);
  const feedEvent = new FeedEvent({ eventId, name, timestamp, dataJson: payload.json, _meta }, cursor);
  // Told as lost, and the feed goes on: failing would hold up everything after this event for ever.
  feedEvent.defect = defectOf(context, payload, what);
  return feedEvent;
}

function defectOf({ maxPayloadBytes, validate }: PageContext, payload: Payload, what: string): Error | undefined {
  if (payload.byteLength > maxPayloadBytes) {
    return new TypeError(`${what} has ${payload.byteLength} bytes; at most ${maxPayloadBytes} are sent`);
  }
  try {
    validate(payload.data);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
