import type { CheckedEvent, CheckResult } from './check.ts';
import { encodeCheckCursor, MAX_UPSTREAM_CURSOR_LENGTH } from './checkCursor.ts';
import type { CheckCursor } from './checkCursor.ts';
import type { FeedPage, ReadOptions } from './feed.ts';
import { FeedEvent } from '../occurrence/feedEvent.ts';
import type { FeedRecord } from '../occurrence/feedEvent.ts';
import { Gap } from '../occurrence/gap.ts';
import { assertEventId } from '../occurrence/eventId.ts';
import { snapshotPayload } from '../occurrence/payload.ts';
import { isoTimestamp, timestampMs } from '../occurrence/timestamp.ts';

interface PageContext {
  readonly name: string;
  readonly validate: (data: unknown) => void;
  readonly maxPayloadBytes: number;
  /** The id under which an upstream's id is known here. */
  readonly eventIdOf: (authored: string) => string;
  readonly report: (error: unknown) => void;
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
    return { records: [], from: endCursor, cursor: endCursor, truncated: true, hasMore, nextPollMs };
  }
  const all = events.map((event, index) => {
    const upstream = cursorOf(event) ?? (index === events.length - 1 ? end : undefined);
    const between = { upstream: position.upstream, skip: index + 1 };
    return toRecord(context, event, encodeCheckCursor(upstream === undefined ? between : { upstream, skip: 0 }));
  });
  const unseen = all.slice(position.skip);
  const wanted = notBeforeMs === undefined ? unseen : unseen.filter((record) => isWanted(record, notBeforeMs));
  const taken = wanted.slice(0, limit);
  for (const record of taken) if (record.kind === 'gap') context.report(record.error);
  const cut = taken.length < wanted.length;
  const tooOld = wanted.length < unseen.length;
  const start = encodeCheckCursor(position);
  return {
    records: taken,
    from: tooOld ? cursorBefore(all, wanted[0], start, endCursor) : start,
    cursor: cut ? (taken.at(-1)?.cursor ?? start) : endCursor,
    truncated: tooOld,
    hasMore: cut || result.hasMore === true,
    nextPollMs: result.nextPollMs,
  };
}

function cursorBefore(all: readonly FeedRecord[], first: FeedRecord | undefined, start: string, end: string): string {
  if (first === undefined) return end;
  return all[all.indexOf(first) - 1]?.cursor ?? start;
}

/** A gap has no time: whoever wants only what is recent is told of it as well. */
function isWanted(record: FeedRecord, notBeforeMs: number): boolean {
  return record.kind === 'gap' || timestampMs(record.timestamp) >= notBeforeMs;
}

/** Also of what is no event at all. Whatever cannot come back as a position counts as absent: events are counted then. */
function cursorOf(event: CheckedEvent | null | undefined): string | undefined {
  const cursor: unknown = event?.cursor;
  return typeof cursor === 'string' && cursor.length <= MAX_UPSTREAM_CURSOR_LENGTH ? cursor : undefined;
}

/** One bad record is told as lost, and the feed goes on: failing would hold up everything after it for ever (OCC-04). */
function toRecord(context: PageContext, event: CheckedEvent, cursor: string): FeedRecord {
  try {
    return toFeedEvent(context, event, cursor);
  } catch (error) {
    return new Gap(0, cursor, error as Error);
  }
}

function toFeedEvent(context: PageContext, event: CheckedEvent, cursor: string): FeedEvent {
  const { eventIdOf, maxPayloadBytes, name, validate } = context;
  if (typeof event !== 'object' || event === null)
    throw new TypeError(`check of ${name} returned an event that is none`);
  assertEventId(event.eventId, `an event that check of ${name} returned`);
  const eventId = eventIdOf(event.eventId);
  const what = `the event ${eventId} that check of ${name} returned`;
  const timestamp = isoTimestamp(event.timestamp, what);
  const meta = event._meta === undefined ? undefined : snapshotPayload(event._meta, `_meta of ${what}`);
  const payload = snapshotPayload(event.data, `data of ${what}`);
  const byteLength = payload.byteLength + (meta?.byteLength ?? 0);
  if (byteLength > maxPayloadBytes) {
    throw new TypeError(`data and _meta of ${what} have ${byteLength} bytes; at most ${maxPayloadBytes} are sent`);
  }
  try {
    validate(payload.data);
  } catch (error) {
    throw new TypeError(`data of ${what} violates its payload schema: ${(error as Error).message}`, { cause: error });
  }
  return new FeedEvent({ eventId, name, timestamp, dataJson: payload.json, _meta: meta?.data }, cursor);
}
