import type { JwksDocument } from '@mcp-events/protocol';
import type { DeliveryHeaders } from './deliveryHeaders.ts';

const SCHEME = 'v1a,';

/** More would be work for nothing: a server has one key, and two while it changes it. */
const MAX_SIGNATURES = 4;
const MAX_KEYS = 8;

/**
 * Whether one of the `v1a` signatures listed is right under one of the keys (SIG-12, SIG-13). An entry does not name its
 * key, so all are tried. It signs what `v1` signs: id, timestamp and body, joined by dots.
 */
export async function isSignedByOneOf(
  { keys }: JwksDocument,
  { webhookId, timestamp, signatures }: DeliveryHeaders,
  body: Uint8Array,
): Promise<boolean> {
  const candidates = signatures
    .split(' ')
    .filter((entry) => entry.startsWith(SCHEME))
    .flatMap((entry) => decodeBase64(entry.slice(SCHEME.length)) ?? [])
    .slice(0, MAX_SIGNATURES);
  const signed = await new Blob([`${webhookId}.${timestamp}.`, new Uint8Array(body)]).arrayBuffer();
  // The document may be as the origin serves it, with keys for other uses.
  for (const { kty, crv, x } of keys.filter((key) => key.crv === 'Ed25519').slice(0, MAX_KEYS)) {
    const key = await importKey({ kty, crv, x });
    if (key === undefined) continue;
    for (const signature of candidates) {
      if (await crypto.subtle.verify('Ed25519', key, signature, signed)) return true;
    }
  }
  return false;
}

/** @throws what the runtime says if it does not know the algorithm: that is no fault of the key */
async function importKey(jwk: JsonWebKey): Promise<CryptoKey | undefined> {
  try {
    return await crypto.subtle.importKey('jwk', jwk, 'Ed25519', false, ['verify']);
  } catch (error) {
    if ((error as Error).name === 'DataError') return undefined;
    throw error;
  }
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
