import { checkNumber } from '../../receiver/checkNumber.ts';
import type { RegisteredCallback, WebhookRegistration } from '../../receiver/registration.ts';

/** What takes the posts, as far as the events client needs it: a `WebhookReceiver`, or what does the same. */
export interface CallbackReceiver {
  /** Takes posts for a callback from now on, the challenge that verifies it among them. */
  register(registration: WebhookRegistration): RegisteredCallback;
  /**
   * Refuses posts to this path for good: its subscription is cancelled, whatever its server made of that (RECV-10). Until
   * the path is registered again.
   */
  refuse?(path: string): void;
}

/** How an `EventsClient` takes events by webhook. */
export interface WebhookOptions {
  /** What takes the posts: a `WebhookReceiver` of `@mcp-events/client/receiver`, mounted at `url`. */
  receiver: CallbackReceiver;
  /**
   * Where the server reaches the receiver, such as `https://agent.example/hooks`. Each subscription gets a path segment
   * of its own below it (OP-28). Servers want https; whether they take anything else is for them to say.
   */
  url: string;
  /** The lifetime to ask for, in milliseconds; null asks for no expiry. Default: the server's own. Its grant is what counts (TTL-09). */
  ttlMs?: number | null;
  /** Age at which a signing secret is replaced, in milliseconds. Default: one day. */
  rotateSecretAfterMs?: number;
  /** Provider of signing secrets (SIG-11). Default: 256 random bits, new for every subscription and start. */
  createSecret?: () => string;
}

/**
 * @throws RangeError if `ttlMs` is neither null nor a positive finite number, or `rotateSecretAfterMs` no number from 0;
 *   TypeError if the receiver is none
 */
export function assertWebhookOptions({ receiver, ttlMs, rotateSecretAfterMs }: WebhookOptions): void {
  if (typeof (receiver as CallbackReceiver | undefined)?.register !== 'function') {
    throw new TypeError('webhook.receiver must be a WebhookReceiver, or have a method "register" as that one has');
  }
  if (ttlMs !== undefined && ttlMs !== null) checkNumber('webhook.ttlMs', ttlMs, { min: 1 });
  if (rotateSecretAfterMs === undefined) return;
  checkNumber('webhook.rotateSecretAfterMs', rotateSecretAfterMs, { min: 0, infinity: true });
}
