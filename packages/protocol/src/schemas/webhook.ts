import * as z from 'zod';
import { isJsonObject } from './json.ts';
import { deliveredOccurrenceSchema } from './occurrence.ts';
import type { DeliveredOccurrence } from './occurrence.ts';
import { rpcErrorSchema } from './rpcError.ts';
import type { RpcError } from './rpcError.ts';

/** Events were lost; delivery goes on from a fresh, non-null cursor (ENV-03). */
export interface GapEnvelope {
  type: 'gap';
  cursor: string;
  /** May tell which places in the order are missing: see `missingOf`. */
  _meta?: unknown;
}

/** The server has ended the subscription (ENV-05). */
export interface TerminatedEnvelope {
  type: 'terminated';
  error: RpcError;
}

/** The endpoint shows its consent by echoing `challenge` (VERIFY-02, VERIFY-03). */
export interface VerificationEnvelope {
  type: 'verification';
  challenge: string;
}

/** Body of a webhook POST. Only an occurrence has no `type`, so `body.type` tells the four apart (ENV-01). */
export type WebhookBody = DeliveredOccurrence | GapEnvelope | TerminatedEnvelope | VerificationEnvelope;

const envelopeSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('gap'), cursor: z.string() }),
  z.looseObject({ type: z.literal('terminated'), error: rpcErrorSchema }),
  z.looseObject({ type: z.literal('verification'), challenge: z.string().min(1) }),
]);

/**
 * Reads the body of a webhook POST, after its signature was verified (SIG-07). A body with a top-level `type` is never
 * read as an occurrence (ENV-01). One of an unknown type fails here: ask {@link envelopeTypeOf} first, and answer
 * 2xx without more (ENV-08).
 */
export const webhookBodySchema: z.ZodType<WebhookBody> = z.unknown().transform((body, context): WebhookBody => {
  const parsed = (envelopeTypeOf(body) === undefined ? deliveredOccurrenceSchema : envelopeSchema).safeParse(body);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) context.addIssue({ ...issue });
  return z.NEVER;
});

const knownEnvelopeTypes: ReadonlySet<unknown> = new Set(['gap', 'terminated', 'verification']);

/**
 * What a parsed webhook body claims to be (ENV-01): `undefined` for an occurrence, else the envelope's type, where
 * `unknown` stands for every type that this revision does not define (ENV-08).
 */
export function envelopeTypeOf(body: unknown): 'gap' | 'terminated' | 'verification' | 'unknown' | undefined {
  if (!isJsonObject(body) || !Object.hasOwn(body, 'type')) return undefined;
  const { type } = body;
  return knownEnvelopeTypes.has(type) ? (type as 'gap' | 'terminated' | 'verification') : 'unknown';
}
