import { createWebhookSecret } from '@mcp-events/protocol';
import { tell, wrongValue } from '@mcp-events/protocol/options';
import { Age, type Clock } from '../../clock.ts';
import type { RegisteredCallback } from '../../receiver/registration.ts';
import type { WebhookOptions } from './webhookOptions.ts';

const DEFAULT_ROTATE_AFTER_MS = 24 * 60 * 60_000;

/** A post signed under the old secret is refused as too old by then, whatever its signature (SIG-09). */
const GRACE_MS = 5 * 60_000;

/** The secret of one run: never stored, so that a new start makes a new one (SIG-11). */
export class SigningSecret {
  readonly #options: WebhookOptions;
  readonly #clock: Clock;
  #value: string;
  #age: Age;
  #registered: RegisteredCallback | undefined;
  #dropTimer: unknown;

  constructor(options: WebhookOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#value = this.#create();
    this.#age = new Age(clock);
  }

  get value(): string {
    return this.#value;
  }

  /**
   * Replaces the secret if it is old enough; both are accepted from now on. To be called before a refresh. One change at a
   * time: while the server may sign with the secret before, a third one would push out the one it knows.
   */
  rotateIfDue(registered: RegisteredCallback): void {
    if (this.#registered !== undefined || this.#dropTimer !== undefined) return;
    if (this.#age.ms < (this.#options.rotateSecretAfterMs ?? DEFAULT_ROTATE_AFTER_MS)) return;
    const next = this.#create();
    registered.rotate(next);
    this.#registered = registered;
    this.#value = next;
    this.#age = new Age(this.#clock);
  }

  /** The server knows the present secret. It may still sign with the one before for a while (SIG-05). */
  accepted(): void {
    const registered = this.#registered;
    if (registered === undefined) return;
    this.#registered = undefined;
    this.#dropTimer = this.#clock.setTimeout(() => {
      this.#dropTimer = undefined;
      registered.dropOldSecrets();
    }, GRACE_MS);
  }

  /** The run is over. */
  close(): void {
    this.#clock.clearTimeout(this.#dropTimer);
  }

  #create(): string {
    const secret: unknown = (this.#options.createSecret ?? createWebhookSecret)();
    if (typeof secret === 'string') return secret;
    tell(() => secret);
    throw wrongValue('the answer of webhook.createSecret', 'a secret, at once', secret);
  }
}
