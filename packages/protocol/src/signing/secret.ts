import { MAX_SECRET_BYTES, MIN_SECRET_BYTES, WEBHOOK_SECRET_PREFIX, webhookSecretSchema } from '../schemas/callback.ts';

/** As long as the digest: what RFC 2104, section 3 advises for HMAC, and within the bounds of SIG-01. */
const NEW_SECRET_BYTES = 32;

/**
 * The key in a webhook secret (SIG-01). Decode once and keep the key, not the text.
 *
 * @throws TypeError if it is not a webhook secret; the message never repeats the value (SIG-02)
 */
export function decodeWebhookSecret(secret: string): Uint8Array {
  if (!webhookSecretSchema.safeParse(secret).success) {
    throw new TypeError(
      `The webhook secret is not one: expected "${WEBHOOK_SECRET_PREFIX}" followed by base64 of ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes`,
    );
  }
  return Uint8Array.from(atob(secret.slice(WEBHOOK_SECRET_PREFIX.length)), (character) => character.charCodeAt(0));
}

/**
 * A new secret of 256 random bits (SIG-11).
 *
 * @param randomBytes must be cryptographically secure. Default: the runtime's `crypto.getRandomValues`
 */
export function createWebhookSecret(randomBytes: (count: number) => Uint8Array = secureRandomBytes): string {
  return WEBHOOK_SECRET_PREFIX + btoa(String.fromCharCode(...randomBytes(NEW_SECRET_BYTES)));
}

function secureRandomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}
