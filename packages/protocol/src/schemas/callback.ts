import * as z from 'zod';
import { parseUrl } from '../parseUrl.ts';

/** Marks a webhook secret (SIG-01). */
export const WEBHOOK_SECRET_PREFIX = 'whsec_';
/** Shortest secret, in decoded bytes (SIG-01). */
export const MIN_SECRET_BYTES = 24;
/** Longest secret, in decoded bytes (SIG-01). */
export const MAX_SECRET_BYTES = 64;
/** Longest callback URL, in characters: what RFC 9110, section 4.1 asks every recipient to support. */
export const MAX_CALLBACK_URL_LENGTH = 8000;

const paddedBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** A webhook secret: `whsec_` and padded base64 of 24 to 64 bytes (SIG-01). The error never repeats the value (SIG-02). */
export const webhookSecretSchema: z.ZodType<string> = z.string().refine(isWebhookSecret, {
  error: `expected "${WEBHOOK_SECRET_PREFIX}" followed by base64 of ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes`,
});

/**
 * A callback URL as far as its text alone can tell: absolute, `https`, no user info, no fragment, no port 0 (SSRF-01,
 * SSRF-08, SSRF-11).
 * The string stays exactly as sent, since it is part of the subscription's key (OP-05).
 */
export const callbackUrlSchema: z.ZodType<string> = z.string().refine(isCallbackUrl, {
  error: `expected an absolute https URL of at most ${MAX_CALLBACK_URL_LENGTH} characters, with a port other than 0, without user info and fragment`,
});

function isWebhookSecret(text: string): boolean {
  if (!text.startsWith(WEBHOOK_SECRET_PREFIX)) return false;
  const base64 = text.slice(WEBHOOK_SECRET_PREFIX.length);
  if (!paddedBase64.test(base64)) return false;
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  const bytes = (base64.length / 4) * 3 - padding;
  return bytes >= MIN_SECRET_BYTES && bytes <= MAX_SECRET_BYTES;
}

function isCallbackUrl(text: string): boolean {
  if (text.length > MAX_CALLBACK_URL_LENGTH) return false;
  // URL parsers repair white space, control characters, backslashes and missing slashes, each in their own way.
  // Only text that all of them read alike is accepted.
  const authority = /^https:\/\/([^/?#\\]+)/i.exec(text)?.[1];
  if (authority === undefined || authority.includes('@') || /[\s\\#\p{Cc}]/u.test(text)) return false;
  const url = parseUrl(text);
  // Nobody can listen at port 0.
  return url !== undefined && url.port !== '0';
}
