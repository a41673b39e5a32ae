import * as z from 'zod';
import { jsonObject } from './json.ts';

/** `/.well-known/mcp-webhook-receiver.json` of a callback origin (VERIFY-11). */
export interface WebhookReceiverDocument {
  /** Path prefixes below which callbacks are welcome (OP-25). */
  receivers: string[];
}

/** An ed25519 public key as a JWK (RFC 8037). */
export interface Ed25519Key {
  kty: 'OKP';
  crv: 'Ed25519';
  /** Name by which a `v1a` signature refers to the key (SIG-13). */
  kid: string;
  /** The public key's 32 bytes, base64url. */
  x: string;
}

/** `/.well-known/mcp-webhook-jwks.json` of a server origin (SIG-13, OP-26). */
export interface JwksDocument {
  keys: Ed25519Key[];
}

/** Reads the document of a receiver. */
export const webhookReceiverDocumentSchema: z.ZodType<WebhookReceiverDocument> = z.looseObject({
  receivers: z.array(z.string()),
});

const ed25519Key = z.looseObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  kid: z.string().min(1),
  x: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});

/** Reads a key set; keys of other kinds are left out, as RFC 7517, section 5 asks. */
export const jwksDocumentSchema: z.ZodType<JwksDocument> = z.looseObject({
  keys: z.array(jsonObject).transform((keys) =>
    keys.flatMap((key) => {
      const parsed = ed25519Key.safeParse(key);
      return parsed.success ? [parsed.data] : [];
    }),
  ),
});
