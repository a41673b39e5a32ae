import type { RetryRules, SuspensionRules } from '@mcp-events/server';
import { Random } from '../simulation/random.ts';

/** What a seed decides beside the schedule. */
export interface Settings {
  /** Lifetime asked for by webhook subscriptions; `null` for no expiry. */
  readonly ttlMs: number | null;
  readonly retry: Partial<RetryRules>;
  readonly suspension: Partial<SuspensionRules>;
  readonly outstandingPerSubscription: number;
  readonly streamBufferBytes: number;
  /** Events that the type with the short memory keeps. */
  readonly shortRetention: number;
  /** Events that the upstream of the checked type keeps. */
  readonly upstreamRetention: number;
  /** Between two events of an author, on average. */
  readonly emitEveryMs: number;
}

export function settingsOf(seed: number): Settings {
  // Another sequence than the schedule's.
  const random = new Random(seed + 2 ** 32);
  const ttlMs = random.pick([null, 30_000]);
  const quick = { firstDelayMs: 200, maxDelayMs: 1_500, attemptTimeoutMs: 1_500 };
  return {
    ttlMs,
    retry: { ...quick, attempts: random.pick([4, 100]), windowMs: 60_000 },
    // Without an expiry the client comes back after hours only, which is when a suspension would end.
    suspension: ttlMs === null ? { failureRate: 1 } : { minAttempts: 20 },
    outstandingPerSubscription: random.pick([2, 8, 64]),
    streamBufferBytes: random.pick([2_000, 262_144]),
    shortRetention: random.pick([20, 60]),
    upstreamRetention: random.pick([60, 1_000]),
    emitEveryMs: random.pick([100, 200]),
  };
}
