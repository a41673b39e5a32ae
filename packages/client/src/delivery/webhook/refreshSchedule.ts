/**
 * Grants are minutes or hours. One that is shorter, or in the past because the clocks differ, must not turn refreshing
 * into a tight loop.
 */
const MIN_WAIT_MS = 10_000;

/**
 * Longest time without a refresh (6 h), with or without an expiry: only a refresh tells that delivery was suspended and
 * resumes it (SUB-13), or makes a subscription again that the server lost (SUB-12, TTL-14).
 */
const MAX_GRANT_MS = 6 * 60 * 60_000;

/** Refreshed after 50 to 80 % of the grant: spread out (CLIENT-09), and with time left for several attempts. */
const EARLIEST = 0.5;
const LATEST = 0.8;

/** What follows from one grant. */
export interface RefreshSchedule {
  /** When to refresh, in milliseconds from now. */
  waitMs: number;
  /** Until when failed refreshes are tried again (CLIENT-09); infinite without expiry. */
  lapsesAtMs: number;
}

/**
 * @param refreshBefore as granted (TTL-09), null for no expiry
 * @param random uniform in [0, 1)
 */
export function refreshSchedule(refreshBefore: string | null, nowMs: number, random: () => number): RefreshSchedule {
  const grantedUntilMs = refreshBefore === null ? Infinity : Date.parse(refreshBefore);
  const grantMs = Math.min(grantedUntilMs - nowMs, MAX_GRANT_MS);
  const waitMs = Math.max(MIN_WAIT_MS, grantMs * (EARLIEST + (LATEST - EARLIEST) * random()));
  return { waitMs, lapsesAtMs: Math.max(grantedUntilMs, nowMs + waitMs) };
}
