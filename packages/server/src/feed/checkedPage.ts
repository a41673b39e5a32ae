import { encodeCheckCursor } from './checkCursor.ts';
import type { CheckCursor } from './checkCursor.ts';
import { isWanted } from './checkedResult.ts';
import type { CheckedResult } from './checkedResult.ts';
import type { FeedPage, ReadOptions } from './feed.ts';
import type { FeedRecord } from '../occurrence/feedEvent.ts';

/**
 * The page a check's answer stands for: what follows the position, with a cursor after each event.
 */
export function checkedPage(
  position: CheckCursor,
  { records, isCut, isShort, cursor: end, truncated, hasMore, nextPollMs }: CheckedResult,
  { notBeforeMs }: ReadOptions,
  report: (error: unknown) => void,
): FeedPage {
  const endCursor = encodeCheckCursor({ upstream: end, skip: 0 });
  // Fewer events than were seen before: the upstream broke its promise, and what lay between cannot be known.
  if (truncated || isShort) {
    return { records: [], from: endCursor, cursor: endCursor, truncated: true, hasMore, nextPollMs };
  }
  const wanted = notBeforeMs === undefined ? records : records.filter((record) => isWanted(record, notBeforeMs));
  for (const record of wanted) if (record.kind === 'gap') report(record.error);
  const tooOld = wanted.length < records.length;
  const start = encodeCheckCursor(position);
  return {
    records: wanted,
    from: tooOld ? cursorBefore(records, wanted[0], start, endCursor) : start,
    cursor: isCut ? (records.at(-1)?.cursor ?? start) : endCursor,
    truncated: tooOld,
    hasMore: isCut || hasMore,
    nextPollMs,
  };
}

function cursorBefore(all: readonly FeedRecord[], first: FeedRecord | undefined, start: string, end: string): string {
  if (first === undefined) return end;
  return all[all.indexOf(first) - 1]?.cursor ?? start;
}
