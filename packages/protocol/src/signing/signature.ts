import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';

/** What one attempt to deliver signs. */
export interface WebhookMessageToSign {
  /** Value of `webhook-id`. */
  id: string;
  /** Value of `webhook-timestamp`: whole Unix seconds, new for each attempt (SIG-04). */
  timestampSeconds: number;
  /** The body exactly as sent; text is signed as UTF-8. */
  body: Uint8Array | string;
}

/** What arrived, and what to hold it against. */
export interface WebhookToVerify {
  /** Keys that may have signed, decoded by `decodeWebhookSecret`. More than one while a secret is changed (SIG-05). */
  keys: readonly Uint8Array[];
  /** Value of `webhook-id`. */
  id: string;
  /** Value of `webhook-timestamp`, as text. */
  timestamp: string;
  /** The bytes received, never JSON written again (SIG-06). */
  body: Uint8Array | string;
  /** Value of `webhook-signature`. */
  signatureHeader: string;
  /** The time here, in milliseconds since the Unix epoch. */
  nowMs: number;
  /** How far the timestamp may lie from `nowMs`, in either direction (SIG-09). */
  toleranceMs: number;
}

/**
 * Outcome of a verification. `malformed`: a header is not of its form. `expired`: the timestamp is too old or too far
 * ahead, whether or not the signature is right. `mismatch`: no listed `v1` signature is right under any of the keys.
 */
export type WebhookVerification =
  | { ok: true; /** Which of the keys signed. */ keyIndex: number }
  | { ok: false; reason: 'malformed' | 'expired' | 'mismatch' };

const SCHEME = 'v1,';

const utf8 = new TextEncoder();

/**
 * The `v1` signature of Standard Webhooks, one entry of `webhook-signature`: `v1,` and base64 of the HMAC-SHA256 over
 * id, timestamp and body, joined by dots (SIG-03).
 *
 * @param key decoded by `decodeWebhookSecret`
 */
export function signWebhook(key: Uint8Array, message: WebhookMessageToSign): string {
  return SCHEME + mac(key, `${message.id}.${message.timestampSeconds}.`, message.body);
}

/**
 * Whether a webhook was signed by one of the keys, and lately. Any listed signature suffices, those of other versions
 * are skipped (SIG-08); comparing takes the same time wherever the first difference is (SIG-10). Freshness is looked at
 * first: it costs nothing, and an old or undated message is refused either way.
 */
export function verifyWebhook(webhook: WebhookToVerify): WebhookVerification {
  const { id, timestamp, signatureHeader } = webhook;
  // More digits would not be a number of seconds that a double holds exactly.
  if (id === '' || signatureHeader === '' || !/^\d{1,15}$/.test(timestamp)) return { ok: false, reason: 'malformed' };
  if (Math.abs(webhook.nowMs - Number(timestamp) * 1000) > webhook.toleranceMs) return { ok: false, reason: 'expired' };

  const candidates = signatureHeader.split(' ').filter((entry) => entry.startsWith(SCHEME));
  if (candidates.length === 0) return { ok: false, reason: 'mismatch' };
  // The text of the timestamp as it came is what was signed.
  const prefix = `${id}.${timestamp}.`;
  const keyIndex = webhook.keys.findIndex((key) => {
    const expected = SCHEME + mac(key, prefix, webhook.body);
    return candidates.some((candidate) => equalInConstantTime(candidate, expected));
  });
  return keyIndex === -1 ? { ok: false, reason: 'mismatch' } : { ok: true, keyIndex };
}

function mac(key: Uint8Array, prefix: string, body: Uint8Array | string): string {
  const digest = hmac
    .create(sha256, key)
    .update(utf8.encode(prefix))
    .update(typeof body === 'string' ? utf8.encode(body) : body)
    .digest();
  return btoa(String.fromCharCode(...digest));
}

/** The length is no secret: a right signature always has the same one. */
function equalInConstantTime(received: string, expected: string): boolean {
  if (received.length !== expected.length) return false;
  let difference = 0;
  for (let at = 0; at < expected.length; at += 1) difference |= received.charCodeAt(at) ^ expected.charCodeAt(at);
  return difference === 0;
}
