import type { SubscriptionRecord } from '../store/cursorStore.ts';
import type { EventItem } from './eventBuffer.ts';
import { MAX_IDS_BEYOND_POSITION, RECENT_IDS_COUNT } from './recentIds.ts';

/** Ids are the server's choice, and thousands are kept with a position: a longer one is recognised by this process only. */
const MAX_KEPT_ID_LENGTH = 1_024;

/**
 * How far a subscription is acknowledged. A value: each step makes a new one, so that a step which could not be stored
 * leaves the old one as it was.
 */
export interface Position {
  /** What is stored. */
  readonly record: SubscriptionRecord;
  /** Events acknowledged in order since the last one that was not. */
  readonly inOrder: number;
}

/** The position after an event was acknowledged. */
export function acknowledged(position: Position, { eventId, cursor: own, inOrder }: EventItem): Position {
  const { record } = position;
  const cursor = own ?? record.cursor;
  // Without a position nothing can be replayed, so nothing has to be recognised either.
  if (cursor === null) return position;
  if (!inOrder) {
    const posted = withId(record.webhook?.seen ?? [], eventId, MAX_IDS_BEYOND_POSITION);
    return { record: withPosted({ ...record, cursor }, posted), inOrder: 0 };
  }
  const seen = own === null ? withId(record.seen, eventId, RECENT_IDS_COUNT) : [];
  const next = { record: { ...record, cursor, seen }, inOrder: position.inOrder + 1 };
  // Events in order pass every place, and after many of them also the farthest one posted out of order.
  if (next.inOrder < MAX_IDS_BEYOND_POSITION || (record.webhook?.seen.length ?? 0) === 0) return next;
  return { ...next, record: withPosted(next.record, []) };
}

/**
 * The position moved without an event.
 *
 * @param seen replaces the ids acknowledged beyond it
 */
export function moved(position: Position, cursor: string, seen?: string[]): Position {
  const { record } = position;
  if (cursor === record.cursor && seen === undefined) return position;
  return { ...position, record: { ...record, cursor, seen: seen ?? record.seen } };
}

function withId(ids: string[], id: string, maxIds: number): string[] {
  return id.length > MAX_KEPT_ID_LENGTH ? ids : [...ids.slice(1 - maxIds), id];
}

function withPosted(record: SubscriptionRecord, seen: string[]): SubscriptionRecord {
  return record.webhook === undefined ? record : { ...record, webhook: { ...record.webhook, seen } };
}
