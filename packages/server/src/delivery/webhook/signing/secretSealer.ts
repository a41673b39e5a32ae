import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
/** 32 bytes in base64. */
const KEY_FORM = /^[A-Za-z0-9+/]{43}=$/;
/** What GCM is made for. Random ones are safe for far more secrets than anybody stores under one key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 'v1';

/** Enough to tell the keys of one operator apart, and nothing of the key itself. */
const KEY_ID_LENGTH = 8;

/**
 * Encrypts signing secrets for storage. The first key encrypts, all of them decrypt, so a key is replaced by putting a new
 * one in front, and removed when nothing is stored under it any more. What is encrypted is bound to its subscription: put
 * into the record of another, it does not open.
 */
export class SecretSealer {
  readonly #keys = new Map<string, Buffer>();
  readonly #currentId: string;
  readonly #current: Buffer;

  /** Throws a `TypeError` that does not quote the keys. */
  constructor(keys: readonly string[]) {
    if (!Array.isArray(keys)) throw new TypeError('webhooks.secretKeys must be a list of keys');
    for (const [index, text] of keys.entries()) {
      // Decoding leaves out what is no base64, and would make a key of a passphrase.
      if (typeof text !== 'string' || !KEY_FORM.test(text)) {
        throw new TypeError(
          `webhooks.secretKeys[${index}] must be ${KEY_BYTES} bytes in base64; make one with: openssl rand -base64 ${KEY_BYTES}`,
        );
      }
      const key = Buffer.from(text, 'base64');
      this.#keys.set(idOf(key), key);
    }
    const [first] = this.#keys;
    if (first === undefined) throw new TypeError('webhooks.secretKeys must have at least one key');
    [this.#currentId, this.#current] = first;
  }

  seal(subscriptionId: string, secret: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#current, nonce).setAAD(Buffer.from(subscriptionId));
    const sealed = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${VERSION}.${this.#currentId}.${sealed.toString('base64url')}`;
  }

  /** Whether another key than the first was used, so that it should be sealed again. */
  isOutdated(sealed: string): boolean {
    return !sealed.startsWith(`${VERSION}.${this.#currentId}.`);
  }

  /** Throws a `TypeError` for what was tampered with, or sealed with a key that is not among these. */
  open(subscriptionId: string, sealed: string): string {
    const [version, keyId, text] = sealed.split('.');
    const bytes = Buffer.from(text ?? '', 'base64url');
    if (version !== VERSION || keyId === undefined || bytes.byteLength < NONCE_BYTES + TAG_BYTES) {
      throw new TypeError('a stored signing secret is not what was sealed');
    }
    const key = this.#keys.get(keyId);
    if (key === undefined) {
      throw new TypeError(`a stored signing secret needs the key ${keyId}, which webhooks.secretKeys does not have`);
    }
    const tagAt = bytes.byteLength - TAG_BYTES;
    try {
      const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES))
        .setAAD(Buffer.from(subscriptionId))
        .setAuthTag(bytes.subarray(tagAt));
      return decipher.update(bytes.subarray(NONCE_BYTES, tagAt), undefined, 'utf8') + decipher.final('utf8');
    } catch (cause) {
      throw new TypeError('a stored signing secret was changed since it was sealed', { cause });
    }
  }
}

function idOf(key: Buffer): string {
  return createHash('sha256').update(key).digest('hex').slice(0, KEY_ID_LENGTH);
}
