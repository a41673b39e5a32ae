import * as z from 'zod';
import { SUBSCRIPTION_ID_META_KEY } from '../identifiers.ts';
import { isJsonObject, jsonObject, nullableCursor, optionalMember } from './json.ts';
import { deliveredOccurrenceSchema } from './occurrence.ts';
import type { DeliveredOccurrence } from './occurrence.ts';
import { resumableShape } from './params.ts';
import type { ResumableParams } from './params.ts';
import { emptyResultSchema } from './result.ts';
import type { EventsResult } from './result.ts';
import { rpcErrorSchema } from './rpcError.ts';
import type { RpcError } from './rpcError.ts';

/** Parameters of `events/stream` after reading. */
export interface StreamParams extends ResumableParams {}

/** Parameters shared by the notifications of a stream; `_meta` holds the stream request's id (PUSH-03). */
export interface StreamMessageParams {
  _meta?: Record<string, unknown>;
}

/** Parameters of `notifications/events/active`: first message, and again on a gap (PUSH-02, PUSH-08). */
export interface ActiveParams extends StreamMessageParams {
  /** Where delivery starts; null for types without replay. */
  cursor: string | null;
  /** Events before that position may be lost (CUR-12). */
  truncated: boolean;
}

/** Parameters of `notifications/events/event`. */
export interface EventParams extends DeliveredOccurrence {}

/** Parameters of `notifications/events/heartbeat`: the position checked so far (PUSH-11, PUSH-12). */
export interface HeartbeatParams extends StreamMessageParams {
  cursor: string | null;
}

/** Parameters of `notifications/events/error`: delivery goes on (PUSH-07). */
export interface ErrorParams extends StreamMessageParams {
  error: RpcError;
}

/** Parameters of `notifications/events/terminated`: the subscription has ended (TERM-01). */
export interface TerminatedParams extends StreamMessageParams {
  error: RpcError;
}

/** Parameters of `notifications/events/list_changed`; `_meta` holds the listen request's id (LIST-10). */
export interface ListChangedParams extends StreamMessageParams {}

/** Result of `events/stream`, its last message. A sketch server's `_meta` may be empty (DIALECT-16). */
export interface StreamEventsResult extends EventsResult {}

const messageShape = { _meta: optionalMember(jsonObject) };

/** Reads the parameters of `events/stream`; wrong types and numbers out of range are refused (OP-17). */
export const streamParamsSchema: z.ZodType<StreamParams> = z.looseObject(resumableShape);

/** Reads an `active` notification; a missing cursor is null (CUR-04), a missing flag false. */
export const activeParamsSchema: z.ZodType<ActiveParams> = z.looseObject({
  ...messageShape,
  cursor: nullableCursor,
  truncated: z.boolean().default(false),
});

/** Reads an `event` notification; a missing cursor is null (CUR-04). */
export const eventParamsSchema: z.ZodType<EventParams> = deliveredOccurrenceSchema;

/** Reads a `heartbeat` notification; a missing cursor is null (CUR-04). */
export const heartbeatParamsSchema: z.ZodType<HeartbeatParams> = z.looseObject({
  ...messageShape,
  cursor: nullableCursor,
});

/** Reads an `error` notification. */
export const errorParamsSchema: z.ZodType<ErrorParams> = z.looseObject({ ...messageShape, error: rpcErrorSchema });

/** Reads a `terminated` notification. */
export const terminatedParamsSchema: z.ZodType<TerminatedParams> = z.looseObject({
  ...messageShape,
  error: rpcErrorSchema,
});

/** Reads a `list_changed` notification, whose parameters may be missing. */
export const listChangedParamsSchema: z.ZodType<ListChangedParams> = z
  .looseObject(messageShape)
  .default({ _meta: undefined });

/** Reads the result of `events/stream`; an empty `_meta` is accepted (DIALECT-16). */
export const streamResultSchema: z.ZodType<StreamEventsResult> = emptyResultSchema;

/**
 * The id of the stream or listen request that a message belongs to, in value and JSON type as it was sent: 7 and "7"
 * are two streams (PUSH-03).
 *
 * @param params `params` of a notification, or a result, as received
 * @returns `undefined` if the message names none, as a sketch server's result may (DIALECT-16)
 */
export function subscriptionIdOf(params: unknown): string | number | undefined {
  const meta = isJsonObject(params) ? params['_meta'] : undefined;
  const id = isJsonObject(meta) ? meta[SUBSCRIPTION_ID_META_KEY] : undefined;
  return typeof id === 'string' || Number.isInteger(id) ? (id as string | number) : undefined;
}
