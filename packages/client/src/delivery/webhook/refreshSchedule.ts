/** A grant that is over already, because the clocks differ, must not turn refreshing into a tight loop. */
const PAST_WAIT_MS = 10_000;

/** Grants that are shorter than a request takes are none. */
const SHORTEST_GRANT_MS = 200;

/**
 * Longest time that is relied upon without a refresh (1 h), with or without an expiry: only a refresh tells that delivery was
 * suspended and resumes it (SUB-13), tells of a gap that the endpoint did not take, or makes a subscription again that the
 * server lost (SUB-12, TTL-14, TTL-18). It costs one request.
 */
const MAX_GRANT_MS = 60 * 60_000;

/**
 * The same where posts were refused for their time: as the server sees it the endpoint fails, so it may have suspended
 * delivery, or given events up, and what it posts about that is refused as well (RECV-18).
 */
const MAX_GRANT_WHEN_REFUSING_MS = 5 * 60_000;

/** Clocks that agree to within this need no correction; the server's is only known to the second. */
const AGREEMENT_MS = 2_000;

/** Refreshed after 50 to 80 % of the grant: spread out (CLIENT-09), and with time left for several attempts. */
const EARLIEST = 0.5;
const LATEST = 0.8;

/** What is known of a grant beside its end. */
export interface GrantFacts {
  /** How far the server's clock is ahead of this one, in milliseconds; undefined if it is not known. */
  serverAheadMs: number | undefined;
  /** The lifetime that was asked for, if any: a longer one is not relied upon. */
  askedMs?: number | null;
}

/** What follows from one grant. */
export interface RefreshSchedule {
  /** When to refresh, in milliseconds from now. */
  waitMs: number;
  /** The same if posts are refused meanwhile that the server signed. */
  waitWhenRefusingMs: number;
  /** Until when failed refreshes are tried again (CLIENT-09); infinite without expiry. */
  lapsesAtMs: number;
  /** The grant seems to be over already: the clocks differ. */
  isPast: boolean;
}

/**
 * A grant counts by its length, not by its end: the end is told by the server's clock.
 *
 * @param refreshBefore as granted (TTL-09), null for no expiry
 * @param nowMs this clock, when the answer came
 * @param random uniform in [0, 1)
 */
export function refreshSchedule(
  refreshBefore: string | null,
  nowMs: number,
  random: () => number,
  facts: GrantFacts = { serverAheadMs: 0 },
): RefreshSchedule {
  const grantedMs = refreshBefore === null ? Infinity : lengthOf(Date.parse(refreshBefore), nowMs, facts);
  const isPast = !(grantedMs >= SHORTEST_GRANT_MS);
  const share = EARLIEST + (LATEST - EARLIEST) * random();
  const waitMs = isPast ? PAST_WAIT_MS : Math.min(grantedMs, MAX_GRANT_MS) * share;
  const waitWhenRefusingMs = Math.min(waitMs, MAX_GRANT_WHEN_REFUSING_MS * share);
  return { waitMs, waitWhenRefusingMs, lapsesAtMs: nowMs + (isPast ? waitMs : grantedMs), isPast };
}

/**
 * The shortest length that the grant may have, by what is known. As long as the server's time is not, that is no more than an
 * hour: by a clock that is behind every grant seems to be long, and a grant that is used up loses events.
 */
function lengthOf(untilMs: number, nowMs: number, { serverAheadMs, askedMs }: GrantFacts): number {
  const askedForMs = askedMs ?? Infinity;
  const ownMs = untilMs - nowMs;
  if (serverAheadMs === undefined) return Math.min(ownMs, Math.max(askedForMs, 0), MAX_GRANT_MS);
  return Math.abs(serverAheadMs) <= AGREEMENT_MS ? ownMs : ownMs - serverAheadMs - AGREEMENT_MS / 2;
}
