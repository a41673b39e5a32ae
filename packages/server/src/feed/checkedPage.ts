import { encodeCheckCursor } from './checkCursor.ts';
import type { CheckCursor } from './checkCursor.ts';
import type { CheckedResult } from './checkedResult.ts';
import type { FeedPage, ReadOptions } from './feed.ts';
import type { FeedRecord } from '../occurrence/feedEvent.ts';
import { timestampMs } from '../occurrence/timestamp.ts';

/**
 * The page a check's answer stands for: without what the cursor says was delivered already, cut at the limit, and with
 * a cursor after each event.
 */
export function checkedPage(
  position: CheckCursor,
  { records, cursor: end, truncated, hasMore, nextPollMs }: CheckedResult,
  { limit, notBeforeMs }: ReadOptions,
  report: (error: unknown) => void,
): FeedPage {
  const endCursor = encodeCheckCursor({ upstream: end, skip: 0 });
  // Fewer events than were seen before: the upstream broke its promise, and what lay between cannot be known.
  if (truncated || records.length < position.skip) {
    return { records: [], from: endCursor, cursor: endCursor, truncated: true, hasMore, nextPollMs };
  }
  const unseen = records.slice(position.skip);
  const wanted = notBeforeMs === undefined ? unseen : unseen.filter((record) => isWanted(record, notBeforeMs));
  const taken = wanted.slice(0, limit);
  for (const record of taken) if (record.kind === 'gap') report(record.error);
  const cut = taken.length < wanted.length;
  const tooOld = wanted.length < unseen.length;
  const start = encodeCheckCursor(position);
  return {
    records: taken,
    from: tooOld ? cursorBefore(records, wanted[0], start, endCursor) : start,
    cursor: cut ? (taken.at(-1)?.cursor ?? start) : endCursor,
    truncated: tooOld,
    hasMore: cut || hasMore,
    nextPollMs,
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
