import { verifyWebhook, type WebhookVerification } from '@mcp-events/protocol';
import type { Callback } from './callback.ts';
import type { Candidates } from './callbacks.ts';
import type { DeliveryHeaders } from './deliveryHeaders.ts';

/**
 * On a shared URL many secrets may have no id yet, and anybody can make the receiver try them all. Only a challenge is of
 * use there, and it is short (VERIFY-13).
 */
const MAX_CHALLENGE_BYTES = 8_192;

/** Whose key signed a post. */
export interface Authenticated {
  ok: true;
  callback: Callback;
  /** No other callback that may be meant has this key, so the key tells the subscription even without an id. */
  sole: boolean;
}

/** Looks for the key that signed the bytes received, among those chosen without looking at them (RECV-01, SIG-07). */
export function authenticate(
  { bound, unbound, ownUrl }: Candidates,
  { webhookId, timestamp, signatures }: DeliveryHeaders,
  body: Uint8Array,
  time: { nowMs: number; toleranceMs: number },
): Authenticated | Exclude<WebhookVerification, { ok: true }> {
  const callbacks = ownUrl || body.length <= MAX_CHALLENGE_BYTES ? [...bound, ...unbound] : bound;
  const keys = callbacks.flatMap((callback) => callback.keys.map((key) => ({ callback, key })));
  const outcome = verifyWebhook({
    keys: keys.map(({ key }) => key),
    id: webhookId,
    timestamp,
    signatureHeader: signatures,
    body,
    ...time,
  });
  if (!outcome.ok) return outcome;
  const { callback, key } = keys[outcome.keyIndex] as (typeof keys)[number];
  const sole = keys.every((other) => other.callback === callback || !equalBytes(other.key, key));
  return { ok: true, callback, sole };
}

/** Both are keys held here, so its time tells nobody anything. */
function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
