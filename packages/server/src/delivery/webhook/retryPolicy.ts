/** When a delivery that failed is tried again, and for how long (DELIV-04, DELIV-06). */
export interface RetryRules {
  /** Attempts of one delivery, the first included. Default 5. */
  readonly attempts: number;
  /** Time from the first attempt to the last, without time in suspension (DELIV-07). Default 15 minutes. */
  readonly windowMs: number;
  /** Time for one attempt, from looking up the host to the answer's status. Default 5,000 ms. */
  readonly attemptTimeoutMs: number;
  /** Wait after the first failure, before jitter; each further one is four times as long. Default 5,000 ms. */
  readonly firstDelayMs: number;
  /** Longest wait before jitter. Default 5 minutes. */
  readonly maxDelayMs: number;
}

/** Five attempts within fifteen minutes, five seconds each. */
export const defaultRetryRules: RetryRules = {
  attempts: 5,
  windowMs: 900_000,
  attemptTimeoutMs: 5_000,
  firstDelayMs: 5_000,
  maxDelayMs: 300_000,
};

/** Grows fast enough that jitter never makes a later wait shorter than the one before it. */
const GROWTH = 4;

/** Part of a wait that is random, so that what failed together is not tried again together. */
const JITTER = 0.25;

/** Waits for what keeps this machine from sending: short, as nobody else is asked, and growing, as it may last. */
const FIRST_LOCAL_DELAY_MS = 500;
const LONGEST_LOCAL_DELAY_MS = 30_000;

/** How long to wait after this machine could not send, so many times in a row (DELIV-18). */
export function localRetryDelayMs(faults: number, random: () => number): number {
  const base = Math.min(FIRST_LOCAL_DELAY_MS * 1.5 ** (faults - 1), LONGEST_LOCAL_DELAY_MS);
  return base * (1 - JITTER + 2 * JITTER * random());
}

export interface FailedDelivery {
  /** Attempts made so far. */
  readonly attempts: number;
  /** Time since the first of them, without time in suspension. */
  readonly elapsedMs: number;
  /** What the endpoint asked for with 429 or 503. */
  readonly retryAfterMs?: number | undefined;
}

/** How long to wait for the next attempt; `undefined` when the delivery is to be given up. */
export function nextRetryDelayMs(rules: RetryRules, failed: FailedDelivery, random: () => number): number | undefined {
  const { attempts, elapsedMs, retryAfterMs = 0 } = failed;
  const leftMs = rules.windowMs - elapsedMs;
  if (attempts >= rules.attempts || leftMs <= 0) return undefined;
  const base = Math.min(rules.firstDelayMs * GROWTH ** (attempts - 1), rules.maxDelayMs);
  const delayMs = base * (1 - JITTER + 2 * JITTER * random());
  // An endpoint may ask for more than is left: then the last moment of the window is as late as it gets.
  return Math.max(Math.min(delayMs, leftMs), Math.min(retryAfterMs, leftMs));
}

/** Reads a `Retry-After` header: seconds, or a date. `undefined` if it is neither. */
export function readRetryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,10}$/.test(header)) return Number(header) * 1_000;
  // `Date.parse` takes "-5" for a year.
  const atMs = /^[A-Z][a-z]{2,8}, /.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
