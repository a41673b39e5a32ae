import type { LinkedPlaces } from './linkedPlaces.ts';

/**
 * Chains that began while items waited. Nobody can say whether such a chain comes before or behind what waits, as long as it
 * does not lead there: what is missing in between may be on its way in either of them (ORDER-08).
 *
 * @returns the first places of all of these, in the order they came, if every waiting item follows in one of them; else none
 */
export function startsReachingAll(
  waiting: LinkedPlaces<{ previous: string | null }>,
  empty: LinkedPlaces<{ previous: string }>,
): readonly string[] {
  const starts = waiting.behind(null);
  if (starts.length === 0) return starts;
  return reachAll(starts, waiting, empty) ? starts : [];
}

/** Whether every waiting item is one of `starts`, or follows one of them. */
export function reachAll(
  starts: readonly string[],
  waiting: LinkedPlaces<{ previous: string | null }>,
  empty: LinkedPlaces<{ previous: string }>,
): boolean {
  const reached = new Set(starts);
  // Grows while it is walked through. A place is in it once, so that places which lie in a circle end it, too.
  for (const position of reached) {
    for (const next of empty.behind(position)) reached.add(next);
    for (const next of waiting.behind(position)) reached.add(next);
  }
  for (const [position] of waiting) if (!reached.has(position)) return false;
  return true;
}
