import type { CheckedEvent, CheckResult } from './check.ts';
import { encodeCheckCursor, MAX_UPSTREAM_CURSOR_LENGTH } from './checkCursor.ts';
import type { ReadOptions } from './feed.ts';
import { LONGEST_INTERVAL_MS } from '../limits.ts';
import { FeedEvent } from '../occurrence/feedEvent.ts';
import type { FeedRecord } from '../occurrence/feedEvent.ts';
import { Gap } from '../occurrence/gap.ts';
import { assertEventId } from '../occurrence/eventId.ts';
import { snapshotPayload } from '../occurrence/payload.ts';
import { isoTimestamp, timestampMs } from '../occurrence/timestamp.ts';

/** What a check has answered, with nothing in it that is the author's any more (EMIT-24). */
export interface CheckedResult {
  /** Its events after those that were seen, as far as the page needs them, each with the cursor after it. */
  readonly records: readonly FeedRecord[];
  /** Whether it had others after them. */
  readonly isCut: boolean;
  /** Whether it had fewer events than were seen before. */
  readonly isShort: boolean;
  /** Upstream position after all of its events. */
  readonly cursor: string;
  readonly truncated: boolean;
  readonly hasMore: boolean;
  readonly nextPollMs: number | undefined;
}

/** Where a page begins: after so many of the events that follow an upstream position. */
export interface AskedPosition {
  readonly upstream: string | null;
  readonly skip: number;
}

interface ResultContext {
  readonly name: string;
  readonly validate: (data: unknown) => void;
  readonly maxPayloadBytes: number;
  /** The id under which an upstream's id is known here. */
  readonly eventIdOf: (authored: string) => string;
}

/**
 * Takes a copy of what a page needs of a check's answer: one that has everything at once is read page by page, and each event
 * once. Throws a `TypeError` for what is no answer.
 *
 * @param position what was asked for; without `upstream` the position now, after which there are no events
 */
export function readCheckResult(
  context: ResultContext,
  { upstream, skip }: AskedPosition,
  answer: CheckResult,
  { limit, notBeforeMs }: ReadOptions,
): CheckedResult {
  const { events, cursor, hasMore, truncated, nextPollMs } = readMembers(context.name, answer);
  const toRecordAt = (event: CheckedEvent, index: number): FeedRecord => {
    const own = cursorOf(event) ?? (index === events.length - 1 ? cursor : undefined);
    const after = own === undefined ? { upstream: upstream ?? '', skip: index + 1 } : { upstream: own, skip: 0 };
    return toRecord(context, event, encodeCheckCursor(after));
  };
  const records: FeedRecord[] = [];
  const count = upstream === null ? 0 : events.length;
  let index = skip;
  for (let wanted = 0; index < count && wanted < limit; index++) {
    const record = toRecordAt(events[index] as CheckedEvent, index);
    records.push(record);
    if (isWanted(record, notBeforeMs)) wanted++;
  }
  const common = { cursor, truncated: truncated === true, hasMore: hasMore === true, nextPollMs };
  return { records, isCut: index < count, isShort: count < skip, ...common };
}

/** A gap has no time: whoever wants only what is recent is told of it as well. */
export function isWanted(record: FeedRecord, notBeforeMs: number | undefined): boolean {
  return notBeforeMs === undefined || record.kind === 'gap' || timestampMs(record.timestamp) >= notBeforeMs;
}

/** Nonsense from author code must not become a position that clients keep. Each member is read once. */
function readMembers(name: string, answer: unknown): CheckResult {
  const wrong = (what: string): TypeError => new TypeError(`check of ${name} returned ${what}`);
  if (typeof answer !== 'object' || answer === null) throw wrong('no result');
  const { events, cursor, hasMore, truncated, nextPollMs } = answer as CheckResult;
  if (!Array.isArray(events)) throw wrong('no array of events');
  if (typeof cursor !== 'string') throw wrong('a cursor that is not a string');
  if (cursor.length > MAX_UPSTREAM_CURSOR_LENGTH) {
    throw wrong(`a cursor of ${cursor.length} characters; at most ${MAX_UPSTREAM_CURSOR_LENGTH} come back`);
  }
  if (truncated === true && events.length > 0) {
    throw wrong('events together with truncated; return none, and the cursor from which reading can go on');
  }
  if (nextPollMs !== undefined && !(nextPollMs >= 0 && nextPollMs <= LONGEST_INTERVAL_MS)) {
    throw wrong(`nextPollMs ${String(nextPollMs)}; at most ${LONGEST_INTERVAL_MS} makes sense`);
  }
  return { events, cursor, hasMore, truncated, nextPollMs };
}

/** Also of what is no event at all. Whatever cannot come back as a position counts as absent: events are counted then. */
function cursorOf(event: CheckedEvent | null | undefined): string | undefined {
  const cursor = tryToRead(() => event?.cursor);
  return typeof cursor === 'string' && cursor.length <= MAX_UPSTREAM_CURSOR_LENGTH ? cursor : undefined;
}

/** One bad record is told as lost, and the feed goes on: failing would hold up everything after it for ever (OCC-04). */
function toRecord(context: ResultContext, event: CheckedEvent, cursor: string): FeedRecord {
  try {
    return toFeedEvent(context, event, cursor);
  } catch (error) {
    return new Gap(0, cursor, error as Error);
  }
}

function toFeedEvent(context: ResultContext, event: CheckedEvent, cursor: string): FeedEvent {
  const { eventIdOf, maxPayloadBytes, name, validate } = context;
  if (typeof event !== 'object' || event === null)
    throw new TypeError(`check of ${name} returned an event that is none`);
  // Each member is read once.
  const { eventId: authored, timestamp: happened, data, _meta } = event;
  assertEventId(authored, `an event that check of ${name} returned`);
  const eventId = eventIdOf(authored);
  const what = `the event ${eventId} that check of ${name} returned`;
  const timestamp = isoTimestamp(happened, what);
  const meta = _meta === undefined ? undefined : snapshotPayload(_meta, `_meta of ${what}`);
  const payload = snapshotPayload(data, `data of ${what}`);
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

/** `undefined` for what cannot be read. */
function tryToRead(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return undefined;
  }
}
