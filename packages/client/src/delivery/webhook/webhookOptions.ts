import { checkMembers, func, having, numberOf, text } from '@mcp-events/protocol/options';
import { assertCallbackBase } from './callback.ts';
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
  /** Age at which a signing secret is replaced, in milliseconds. Infinity never replaces one. Default: one day. */
  rotateSecretAfterMs?: number;
  /** Provider of signing secrets (SIG-11). Default: 256 random bits, new for every subscription and start. */
  createSecret?: () => string;
}

/** @throws TypeError that names the option, what it may be and what was given */
export function checkWebhookOptions(given: unknown, what: string): void {
  checkMembers<WebhookOptions>(
    given,
    {
      receiver: having(['register'], 'a WebhookReceiver of @mcp-events/client/receiver, mounted at the url'),
      url: text,
      ttlMs: (value, name) => value === null || numberOf({ least: 1 })(value, name),
      rotateSecretAfterMs: numberOf({ least: 0, unlimited: true }),
      createSecret: func,
    },
    what,
    `${what}.`,
  );
  const { receiver, url } = given as Partial<WebhookOptions>;
  if (receiver === undefined || url === undefined) {
    throw new TypeError(
      `${what} needs a receiver and the url it is reached at, as in { receiver: new WebhookReceiver(), url: 'https://agent.example/hooks' }`,
    );
  }
  assertCallbackBase(url);
}
