import { describeIssues, isJsonObject, lastErrorSchema } from '@mcp-events/protocol';
import type { Dialect, LastError } from '@mcp-events/protocol';
import * as z from 'zod';
import type { MaybePromise } from '../maybePromise.ts';

/**
 * What the endpoint's consent rests on (VERIFY-01): the operator vouches for its origin, the operator confirmed it elsewhere,
 * its origin publishes a document, or it answered a challenge.
 */
export type Consent = 'allowed_origin' | 'confirmed' | 'document' | 'challenge';

/** What is stored of a webhook subscription so that it survives a restart (TTL-10, TTL-11). Plain JSON. */
export interface StoredSubscription {
  /** Derived from the subscription's key: the same after a restart (SUB-06). */
  readonly id: string;
  /** Of the event type. */
  readonly name: string;
  readonly principal: string;
  /** As the client sent them. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Where its deliveries go, as the client sent it. */
  readonly url: string;
  /** In whose error numbers and member names its client is spoken to (DIALECT-01). */
  readonly dialect: Dialect;
  /** Whether it is sent one delivery at a time (ORDER-06). Absent: several. */
  readonly ordered?: boolean | undefined;
  /** The signing secret, encrypted. */
  readonly secret: string;
  /** A secret that was replaced and signs along until then (SIG-05), encrypted as well. */
  readonly replacedSecret?: { readonly secret: string; readonly untilMs: number } | undefined;
  /** Milliseconds since the epoch; `null` for no expiry. */
  readonly refreshBeforeMs: number | null;
  /** The safe position from which delivery goes on (OP-13). */
  readonly cursor: string | null;
  /**
   * Positions after `cursor` whose events are settled and not sent again; bounded, so not always all. A source that
   * places them anew when it is read again sends them again.
   */
  readonly settled: readonly string[];
  /** Delivery waits for the client to come back (DELIV-13). */
  readonly suspended: boolean;
  /** Since when its endpoint fails, and how it did last; `null` if it does not. An endless one ends some time after (TTL-13). */
  readonly failing: { readonly sinceMs: number; readonly reason: LastError } | null;
  /**
   * The client may not know yet that events between this cursor of its own and the position were lost; `null` when it
   * misses nothing.
   */
  readonly gapAfter: string | null;
  /** Absent in records of earlier versions: such an endpoint is asked anew. */
  readonly consent?: Consent | undefined;
  /**
   * `onSubscribe` has run and `onUnsubscribe` has not, so it is owed if the subscription ends without coming back. A server
   * that closes in order calls it, and stores that.
   */
  readonly owesUnsubscribe?: true | undefined;
}

/**
 * Keeps webhook subscriptions over restarts, with what their endpoints' consent rests on (VERIFY-07).
 *
 * Calls for one id are made one after the other, so one that never settles holds up its subscription, and `close()`.
 * Failures are reported to `onError`, and what failed is tried again.
 *
 * No credentials of clients are stored: for a subscription that comes back, `authorize` and the other author functions
 * have no `authInfo`, and decide by its principal.
 */
export interface SubscriptionStore {
  /**
   * Every subscription, once, when the server starts. While it is still read from, subscriptions that it has given may be
   * saved and deleted.
   */
  load(): MaybePromise<Iterable<StoredSubscription>>;
  /** Adds or replaces. */
  save(subscription: StoredSubscription): MaybePromise<void>;
  /** An unknown id is no error. */
  delete(id: string): MaybePromise<void>;
}

const storedSubscriptionSchema: z.ZodType<StoredSubscription> = z.object({
  id: z.string().min(1),
  name: z.string(),
  principal: z.string().min(1),
  // Not `z.record`, whose copy would lose a member named `__proto__`.
  arguments: z.custom<Record<string, unknown>>(isJsonObject, { error: 'expected object' }),
  url: z.string(),
  dialect: z.enum(['final', 'sketch']),
  ordered: z.boolean().optional(),
  secret: z.string(),
  replacedSecret: z.object({ secret: z.string(), untilMs: z.number() }).optional(),
  refreshBeforeMs: z.number().nullable(),
  cursor: z.string().nullable(),
  settled: z.array(z.string()),
  suspended: z.boolean(),
  failing: z.object({ sinceMs: z.number(), reason: lastErrorSchema }).nullable(),
  gapAfter: z.string().nullable(),
  consent: z.enum(['allowed_origin', 'confirmed', 'document', 'challenge']).optional(),
  owesUnsubscribe: z.literal(true).optional(),
});

/** Reads what a store gave back. Throws a `TypeError` that says what is wrong, without quoting it. */
export function readStoredSubscription(record: unknown): StoredSubscription {
  const parsed = storedSubscriptionSchema.safeParse(record);
  if (parsed.success) return parsed.data;
  const id = (record as { id?: unknown } | null | undefined)?.id;
  const which = typeof id === 'string' ? ` ${id}` : '';
  throw new TypeError(`the stored subscription${which} cannot be read: ${describeIssues(parsed.error)}`);
}
