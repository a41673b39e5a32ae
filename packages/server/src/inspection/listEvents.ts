import type { Clock } from '../clock.ts';
import type { LogFeed } from '../feed/logFeed.ts';
import type { FeedRecord } from '../occurrence/feedEvent.ts';

/** One place of a log, without its payload. Times are ISO 8601. */
export interface InspectedEvent {
  /** A gap is a loss that was reported, or an event that cannot be read any more. */
  readonly kind: 'event' | 'gap';
  /** Place in the log, counted from 1. */
  readonly position: number;
  readonly cursor: string;
  /** `null` for a gap. */
  readonly eventId: string | null;
  /** When it happened; `null` for a gap. */
  readonly timestamp: string | null;
  /** Id of the only subscription it is for; `null` for all. */
  readonly target: string | null;
}

/**
 * What is retained below a position, the newest first. Logs give large events in parts; others get their turn between them.
 */
export async function listEvents(
  clock: Clock,
  feed: LogFeed,
  below: number,
  limit: number,
): Promise<readonly InspectedEvent[]> {
  const end = Math.min(feed.head, below - 1);
  const events: InspectedEvent[] = [];
  for (let position = Math.max(end - limit, feed.oldest - 1); position < end;) {
    const read = (await feed.readAfter(position, end - position)).filter((record) => record.position <= end);
    // Nothing of a payload is kept until the last of them is read.
    for (const record of read) events.push(describe(feed, record));
    position = read.at(-1)?.position ?? end;
    await new Promise<void>((resolve) => clock.setImmediate(resolve));
  }
  return events.toReversed();
}

function describe(feed: LogFeed, record: FeedRecord): InspectedEvent {
  const { position } = record;
  const cursor = feed.cursorAt(position);
  if (record.kind === 'gap') return { kind: 'gap', position, cursor, eventId: null, timestamp: null, target: null };
  const { eventId, timestamp, target = null } = record;
  return { kind: 'event', position, cursor, eventId, timestamp, target };
}
