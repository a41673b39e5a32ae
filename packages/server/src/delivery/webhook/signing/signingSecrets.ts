import { createHmac } from 'node:crypto';
import { WEBHOOK_SECRET_PREFIX } from '@mcp-events/protocol';

/**
 * The bytes of a key, one character each. A small `Buffer` would keep the pool alive that it was cut from, which is many
 * times its size.
 */
type Key = string;

const KEY_ENCODING = 'latin1';

/** A secret that was replaced and signs along for a while (SIG-05). */
interface ReplacedKey {
  readonly key: Key;
  readonly untilMs: number;
}

/** What is stored of the secrets of one subscription, to be encrypted by whoever stores it. */
export interface SecretText {
  readonly secret: string;
  readonly replaced?: { readonly secret: string; readonly untilMs: number } | undefined;
}

/**
 * The secrets a subscription's deliveries are signed with. They are held in private fields, so neither `inspect`, nor
 * JSON, nor an error that holds this object shows them (SIG-02).
 */
export class SigningSecrets {
  readonly #key: Key;
  #replaced: ReplacedKey | undefined;
  /** The current secret as it is stored, so that it is encrypted once and not with every position. */
  sealed: string | undefined;

  constructor({ secret, replaced }: SecretText) {
    this.#key = keyOf(secret);
    if (replaced !== undefined) this.#replaced = { key: keyOf(replaced.secret), untilMs: replaced.untilMs };
  }

  /**
   * Those that sign with `secret` from now on, while the one before it signs along until `untilMs` (SIG-05, SUB-10). These
   * stay as they are, for who has to go back to them.
   */
  replacedBy(secret: string, untilMs: number): SigningSecrets {
    if (keyOf(secret) === this.#key) return this;
    return new SigningSecrets({ secret, replaced: { secret: textOf(this.#key), untilMs } });
  }

  /**
   * The `v1` part of the signature header: one signature per valid secret (SIG-03, SIG-05).
   *
   * @param prefix id and timestamp, each followed by a dot
   */
  sign(prefix: string, body: Uint8Array, nowMs: number): string {
    const current = signature(this.#key, prefix, body);
    if (this.#replaced === undefined) return current;
    if (this.#replaced.untilMs > nowMs) return `${current} ${signature(this.#replaced.key, prefix, body)}`;
    this.#replaced = undefined;
    return current;
  }

  /** For storage only: the secrets that are valid at this time. */
  reveal(nowMs: number): SecretText {
    const secret = textOf(this.#key);
    if (this.#replaced === undefined || this.#replaced.untilMs <= nowMs) return { secret };
    return { secret, replaced: { secret: textOf(this.#replaced.key), untilMs: this.#replaced.untilMs } };
  }
}

/** The decoded bytes are the key, not the text (SIG-03). Validity was checked where the secret came in (SIG-01). */
function keyOf(secret: string): Key {
  return Buffer.from(secret.slice(WEBHOOK_SECRET_PREFIX.length), 'base64').toString(KEY_ENCODING);
}

function textOf(key: Key): string {
  return WEBHOOK_SECRET_PREFIX + Buffer.from(key, KEY_ENCODING).toString('base64');
}

function signature(key: Key, prefix: string, body: Uint8Array): string {
  return `v1,${createHmac('sha256', Buffer.from(key, KEY_ENCODING)).update(prefix).update(body).digest('base64')}`;
}
