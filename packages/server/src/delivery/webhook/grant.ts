import { refuseUnknown } from '@mcp-events/protocol/options';

/** How long webhook subscriptions live without a refresh (TTL-01 to TTL-06). */
export interface TtlRules {
  /** Grant when the client suggests nothing. Default 1 hour. */
  readonly defaultMs: number;
  /** Shortest grant: protects from refresh storms. Default 1 minute. */
  readonly minMs: number;
  /** Longest finite grant. Default 1 hour, and 1 day with durable storage; more than 1 hour needs it (TTL-11). */
  readonly maxMs: number;
  /** Whether a client that asks for no expiry gets it. Needs durable storage (TTL-12). Default false. */
  readonly noExpiry: boolean;
}

const known: Readonly<Record<keyof TtlRules, true>> = { defaultMs: true, minMs: true, maxMs: true, noExpiry: true };

/** What is held in memory only is not promised for longer: a restart would break the promise (TTL-11). */
const LONGEST_UNSTORED_MS = 3_600_000;

const DAY_MS = 86_400_000;

/** No grant is longer than a century: dates in the far future cannot be written. */
const LONGEST_MS = 36_500 * DAY_MS;

/** Completes and checks the rules. Throws a `TypeError` that says what is wrong. */
export function resolveTtlRules(given: Partial<TtlRules> = {}, durable: boolean): TtlRules {
  if (typeof given !== 'object' || given === null) throw new TypeError('webhooks.ttl must be an object');
  refuseUnknown(given, Object.keys(known), 'webhooks.ttl');
  const maxMs = given.maxMs ?? (durable ? DAY_MS : LONGEST_UNSTORED_MS);
  const minMs = given.minMs ?? Math.min(60_000, maxMs);
  const defaultMs = given.defaultMs ?? Math.min(LONGEST_UNSTORED_MS, maxMs);
  const noExpiry = given.noExpiry ?? false;
  const isNumeric = [minMs, defaultMs, maxMs].every((value: unknown) => typeof value === 'number');
  if (typeof noExpiry !== 'boolean') throw new TypeError('webhooks.ttl.noExpiry must be true or false');
  if (!(isNumeric && minMs >= 1 && minMs <= defaultMs && defaultMs <= maxMs && maxMs <= LONGEST_MS)) {
    throw new TypeError(
      `webhooks.ttl needs 1 <= minMs <= defaultMs <= maxMs <= ${LONGEST_MS}, not minMs ${minMs}, defaultMs ${defaultMs}, maxMs ${maxMs}`,
    );
  }
  if (durable) return { defaultMs, minMs, maxMs, noExpiry };
  if (noExpiry) {
    throw new TypeError('webhooks.ttl.noExpiry needs durable storage: subscriptions without expiry survive restarts');
  }
  if (maxMs > LONGEST_UNSTORED_MS) {
    throw new TypeError(
      `webhooks.ttl.maxMs above ${LONGEST_UNSTORED_MS} needs durable storage: what was granted has to survive restarts`,
    );
  }
  return { defaultMs, minMs, maxMs, noExpiry };
}

/**
 * The lifetime to grant; `null` for no expiry. Never an error: what cannot be granted is clamped (TTL-05).
 *
 * @param suggestedMs as the client sent it: `undefined` for the default, `null` for no expiry
 */
export function grantTtlMs(rules: TtlRules, suggestedMs: number | null | undefined): number | null {
  if (suggestedMs === undefined) return rules.defaultMs;
  // Nothing finite exceeds "no expiry", so the longest grant is the closest to it.
  if (suggestedMs === null) return rules.noExpiry ? null : rules.maxMs;
  return Math.min(Math.max(Math.floor(suggestedMs), rules.minMs), rules.maxMs);
}
