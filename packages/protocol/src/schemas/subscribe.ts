import * as z from 'zod';
import { webhookSecretSchema } from './callback.ts';
import { nullableCursor, optionalMember } from './json.ts';
import { resumableShape, targetShape } from './params.ts';
import type { ResumableParams, TargetParams } from './params.ts';
import { resultShape } from './result.ts';
import type { EventsResult } from './result.ts';

/** Why a callback endpoint could not be used: the only words ever told about it (STATUS-03, VERIFY-10). */
export type LastError = 'connection_refused' | 'timeout' | 'tls_error' | 'http_4xx' | 'http_5xx' | 'challenge_failed';

/** Where a webhook subscription delivers to. */
export interface SubscribeDelivery {
  /** Any word; one other than `webhook` is answered with Unsupported, not InvalidParams (SUB-15, OP-06). */
  mode?: string;
  /** Callback URL, exactly as sent (OP-05). */
  url: string;
  /** Signing secret (SIG-01). Never logged, stored in status or returned (SIG-02). */
  secret: string;
}

/** Parameters of `events/subscribe` after reading. */
export interface SubscribeParams extends ResumableParams {
  /** The callback endpoint. */
  delivery: SubscribeDelivery;
  /** Wanted lifetime in milliseconds: absent for the server's default, null for no expiry, any number clamped (TTL-05). */
  ttlMs?: number | null;
}

/** How deliveries of a subscription went, told on refresh (STATUS-01). */
export interface DeliveryStatus {
  /** False if delivery was suspended, and this refresh has just resumed it (STATUS-02). */
  active: boolean;
  /** Time of the last success, ISO 8601 (STATUS-04). */
  lastDeliveryAt?: string | null;
  /** Category of the last failure; null if there was none (STATUS-03). */
  lastError?: LastError | null;
  /** Start of the present series of failures, ISO 8601 (STATUS-04). */
  failedSince?: string;
  /** Deliveries are being delayed by rate limiting (STATUS-05). */
  throttled?: boolean;
  /** How long deliveries are delayed, in milliseconds (STATUS-05). */
  retryAfterMs?: number;
}

/** Result of `events/subscribe` (SUB-09). */
export interface SubscribeResult extends EventsResult {
  /** Derived from the subscription's key, the same on every refresh (SUB-06). */
  id: string;
  /** ISO 8601 time by which to subscribe again (TTL-09); null if the subscription does not expire (TTL-02). */
  refreshBefore: string | null;
  /** Safe watermark (SUB-14). */
  cursor: string | null;
  /** Events between the given cursor and this one may be lost (CUR-12). */
  truncated: boolean;
  /** Only on a refresh (OP-31). */
  deliveryStatus?: DeliveryStatus;
}

/** Parameters of `events/unsubscribe` after reading. */
export interface UnsubscribeParams extends TargetParams {
  /** The callback URL as it was subscribed; `mode` is accepted and may be left out (OP-06). */
  delivery: { url: string; mode?: string };
}

/** Reads one of the six words (STATUS-03). */
export const lastErrorSchema: z.ZodType<LastError> = z.enum([
  'connection_refused',
  'timeout',
  'tls_error',
  'http_4xx',
  'http_5xx',
  'challenge_failed',
]);

/** Reads a delivery status; a `lastError` outside the six words is dropped (STATUS-03). */
export const deliveryStatusSchema: z.ZodType<DeliveryStatus> = z.looseObject({
  active: z.boolean(),
  lastDeliveryAt: z.string().nullish(),
  lastError: lastErrorSchema.nullish().catch(undefined),
  failedSince: optionalMember(z.string()),
  throttled: optionalMember(z.boolean()),
  retryAfterMs: optionalMember(z.number()),
});

/**
 * Reads the parameters of `events/subscribe`, the secret's form included (SIG-01). The URL is any string here: servers
 * may allow origins that `callbackUrlSchema` refuses (SSRF-01, SSRF-02).
 */
export const subscribeParamsSchema: z.ZodType<SubscribeParams> = z.looseObject({
  ...resumableShape,
  delivery: z.looseObject({
    mode: z.string().optional(),
    url: z.string(),
    secret: webhookSecretSchema,
  }),
  // Not z.number(), which refuses the infinity that JSON.parse makes of 1e999: every number is clamped (TTL-05).
  ttlMs: z
    .custom<number>((value) => typeof value === 'number' && !Number.isNaN(value), { error: 'expected number or null' })
    .nullish(),
});

/**
 * Reads a subscribe result. `refreshBefore` must be there and be a time: read as null, its absence would stop the
 * client from ever refreshing. A malformed `deliveryStatus` is dropped, as clients work without it (STATUS-01).
 */
export const subscribeResultSchema: z.ZodType<SubscribeResult> = z.looseObject({
  ...resultShape,
  id: z.string().min(1),
  refreshBefore: z
    .string()
    .refine((time) => !Number.isNaN(Date.parse(time)), { error: 'expected an ISO 8601 time' })
    .nullable(),
  cursor: nullableCursor,
  truncated: z.boolean().default(false),
  deliveryStatus: optionalMember(deliveryStatusSchema).catch(undefined),
});

/** Reads the parameters of `events/unsubscribe`. The url is only looked up, never called, so any string will do; `arguments` likewise (UNSUB-03). */
export const unsubscribeParamsSchema: z.ZodType<UnsubscribeParams> = z.looseObject({
  ...targetShape,
  delivery: z.looseObject({ url: z.string(), mode: z.string().optional() }),
});
