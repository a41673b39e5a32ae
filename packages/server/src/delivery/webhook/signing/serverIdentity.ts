import type { JsonWebKey, KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { JwksDocument } from '@mcp-events/protocol';

/** An ed25519 key that proves which server sent a delivery (SIG-12). */
export interface ServerSigningKey {
  /** Name of the key in the published key set. */
  readonly kid: string;
  /** As a key object, a JWK, or PEM text. */
  readonly privateKey: KeyObject | JsonWebKey | string;
}

/** Signs deliveries with the server's own key, beside the subscription's secret. */
export class ServerIdentity {
  readonly #kid: string;
  readonly #privateKey: KeyObject;

  /** Throws a `TypeError` when it is not an ed25519 key. */
  constructor({ kid, privateKey }: ServerSigningKey) {
    this.#kid = kid;
    this.#privateKey = readKey(privateKey);
    if (kid === '') throw new TypeError('webhooks.signingKey.kid must not be empty');
    if (this.#privateKey.asymmetricKeyType !== 'ed25519' || this.#privateKey.type !== 'private') {
      throw new TypeError('webhooks.signingKey.privateKey must be an ed25519 private key');
    }
  }

  /**
   * The `v1a` part of the signature header.
   *
   * @param prefix id and timestamp, each followed by a dot
   */
  sign(prefix: string, body: Uint8Array): string {
    const content = Buffer.concat([Buffer.from(prefix), body]);
    return `v1a,${sign(null, content, this.#privateKey).toString('base64')}`;
  }

  /** The key set to publish at an origin that receivers trust already (SIG-13). */
  keySet(): JwksDocument {
    const { x = '' } = createPublicKey(this.#privateKey).export({ format: 'jwk' });
    return { keys: [{ kty: 'OKP', crv: 'Ed25519', kid: this.#kid, x }] };
  }
}

/** The cause of an unreadable key stays out of the error: it may quote the key. */
function readKey(key: ServerSigningKey['privateKey']): KeyObject {
  try {
    if (typeof key === 'string') return createPrivateKey(key);
    return 'asymmetricKeyType' in key
      ? (key as KeyObject)
      : createPrivateKey({ key: key as JsonWebKey, format: 'jwk' });
  } catch {
    throw new TypeError('webhooks.signingKey.privateKey cannot be read: expected an ed25519 key object, JWK or PEM');
  }
}
