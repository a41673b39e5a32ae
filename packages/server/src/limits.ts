import { readNumbers } from '@mcp-events/protocol/options';
import type { NumberBounds } from '@mcp-events/protocol/options';

/** No interval an author names may be longer: it would outlast every timer and lease. One day. */
export const LONGEST_INTERVAL_MS: number = 86_400_000;

/** Bounds on what clients can make this server hold. */
export interface Limits {
  /**
   * Live subscriptions of one authenticated principal, over all modes. Anonymous callers are not told apart, so only
   * {@link subscriptions} bounds them; where that is reached, they give way to callers that are authenticated. Default 1,000.
   */
  readonly subscriptionsPerPrincipal: number;
  /** Live subscriptions together. Default 100,000. */
  readonly subscriptions: number;
  /** Most events in one poll answer, also when the client asks for more. Default 1,000. */
  readonly maxEventsPerPoll: number;
  /** Events in a poll answer when the client does not say. Default 100. */
  readonly defaultEventsPerPoll: number;
  /** Longest time a poll is held when the client asks for it; 0 answers every poll at once. Default 25,000 ms. */
  readonly maxPollHoldMs: number;
  /** Bytes that may wait for one stalled stream; beyond them only its cursor is kept. Default 256 KiB. */
  readonly streamBufferBytes: number;
  /**
   * Largest body of an `events/*` or `subscriptions/listen` request over HTTP, where `events.http` wraps the handler. How
   * large any other may be is the SDK's `maxRequestBodySize`. Default 1 MiB.
   */
  readonly maxRequestBytes: number;
  /** Largest payload `emit` accepts, `_meta` included. Default 256 KiB, the ceiling of a delivery body (DELIV-14). */
  readonly maxPayloadBytes: number;
  /** Payloads above this are reported to `onWarning`: events are for triage, not for full records (OCC-10). Default 64 KiB. */
  readonly payloadWarningBytes: number;
  /** Time for one call of `check`. Default 30,000 ms. */
  readonly checkMs: number;
  /** Time for one call of any other author function that returns a promise. Default 10,000 ms. */
  readonly hookMs: number;
}

/** What one server takes on where its author says nothing. */
export const defaultLimits: Limits = {
  subscriptionsPerPrincipal: 1_000,
  subscriptions: 100_000,
  maxEventsPerPoll: 1_000,
  defaultEventsPerPoll: 100,
  maxPollHoldMs: 25_000,
  streamBufferBytes: 256 * 1024,
  maxRequestBytes: 1024 * 1024,
  maxPayloadBytes: 256 * 1024,
  payloadWarningBytes: 64 * 1024,
  checkMs: 30_000,
  hookMs: 10_000,
};

const count = { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true, unlimited: true } as const;
const milliseconds = { least: 1, most: Number.MAX_SAFE_INTEGER, unlimited: true } as const;

const bounds: { readonly [Name in keyof Limits]: NumberBounds } = {
  subscriptionsPerPrincipal: count,
  subscriptions: count,
  maxEventsPerPoll: count,
  defaultEventsPerPoll: count,
  maxPollHoldMs: { ...milliseconds, least: 0 },
  streamBufferBytes: count,
  maxRequestBytes: count,
  maxPayloadBytes: count,
  payloadWarningBytes: count,
  checkMs: milliseconds,
  hookMs: milliseconds,
};

/** Completes and checks limits. Throws a `TypeError` that names the wrong one. */
export function resolveLimits(given: Partial<Limits> | undefined): Limits {
  return readNumbers(given, defaultLimits, bounds, 'limits');
}
