import {
  SUBSCRIPTION_ID_HEADER,
  WEBHOOK_ID_HEADER,
  WEBHOOK_SIGNATURE_HEADER,
  WEBHOOK_TIMESTAMP_HEADER,
} from '@mcp-events/protocol';
import type { LastError } from '@mcp-events/protocol';
import type { Clock } from '../../clock.ts';
import type { Egress, EgressResult } from './egress/egress.ts';
import { readRetryAfterMs } from './retryPolicy.ts';
import type { ServerIdentity } from './signing/serverIdentity.ts';
import type { SigningSecrets } from './signing/signingSecrets.ts';

const USER_AGENT = 'mcp-events';

/** Where and how one subscription's messages are posted. */
export interface PostTarget {
  readonly id: string;
  /** Exactly as the client sent it (OP-05). */
  readonly url: string;
  /** May be plain HTTP and at any address: see `reachableOrigins`. */
  readonly trusted: boolean;
  readonly secrets: SigningSecrets;
}

export interface PostOptions {
  readonly egress: Egress;
  readonly clock: Clock;
  readonly identity: ServerIdentity | undefined;
  readonly timeoutMs: number;
}

/**
 * Posts one signed message (DELIV-01, DELIV-02). Each call has its own timestamp and signature (SIG-04). No other
 * credentials are sent (DELIV-15).
 */
export function post(
  { egress, clock, identity, timeoutMs }: PostOptions,
  target: PostTarget,
  webhookId: string,
  body: Uint8Array,
  maxResponseBytes: number,
): Promise<EgressResult> {
  const nowMs = clock.now();
  const timestamp = String(Math.floor(nowMs / 1_000));
  const prefix = `${webhookId}.${timestamp}.`;
  const signature = target.secrets.sign(prefix, body, nowMs);
  return egress.send({
    method: 'POST',
    url: target.url,
    headers: {
      'content-type': 'application/json',
      // Some firewalls turn away requests without one.
      'user-agent': USER_AGENT,
      [WEBHOOK_ID_HEADER]: webhookId,
      [WEBHOOK_TIMESTAMP_HEADER]: timestamp,
      [WEBHOOK_SIGNATURE_HEADER]: identity === undefined ? signature : `${signature} ${identity.sign(prefix, body)}`,
      [SUBSCRIPTION_ID_HEADER]: target.id,
    },
    body,
    timeoutMs,
    maxResponseBytes,
    trusted: target.trusted,
  });
}

/** What an attempt means for its delivery. */
export type AttemptOutcome =
  | { readonly kind: 'acknowledged' }
  /** It could not be sent, for a reason that lies here and says nothing of the endpoint (DELIV-18). */
  | { readonly kind: 'local_fault'; readonly fault: string }
  /** The endpoint does not want this delivery, ever: 410 or 413 (DELIV-09, DELIV-10). */
  | { readonly kind: 'refused' }
  | { readonly kind: 'failed'; readonly reason: LastError; readonly retryAfterMs?: number | undefined };

/** Reads an answer. Nothing of it but these categories goes anywhere (STATUS-03, VERIFY-10). */
export function outcomeOf(result: EgressResult, nowMs: number): AttemptOutcome {
  if (result.kind === 'failed') {
    if (result.reason === 'local_fault') return { kind: 'local_fault', fault: result.fault };
    return { kind: 'failed', reason: reasonOf(result.reason) };
  }
  const { status } = result;
  if (status >= 200 && status < 300) return { kind: 'acknowledged' };
  if (status === 410 || status === 413) return { kind: 'refused' };
  const mayAsk = status === 429 || status === 503;
  return {
    kind: 'failed',
    // The list of categories has none for redirects, which are not followed (SSRF-05, OP-10).
    reason: status >= 500 ? 'http_5xx' : 'http_4xx',
    retryAfterMs: mayAsk ? readRetryAfterMs(result.retryAfter, nowMs) : undefined,
  };
}

/** A blocked address looks like one nobody listens at: what a name resolves to is not for clients (OP-09). */
export function reasonOf(
  reason: Exclude<Extract<EgressResult, { kind: 'failed' }>['reason'], 'local_fault'>,
): 'connection_refused' | 'timeout' | 'tls_error' {
  return reason === 'blocked' ? 'connection_refused' : reason;
}
