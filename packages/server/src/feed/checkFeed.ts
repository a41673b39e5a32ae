import type { SubscriptionDetails } from '../subscription/subscription.ts';
import { CheckSource } from './checkSource.ts';
import type { CheckSourceOptions } from './checkSource.ts';
import type { Attachment, Feed, FeedPage, FeedReceiver, ReadOptions } from './feed.ts';

/**
 * The feed of an event type whose author calls the upstream: one source per principal, access token and arguments, so that
 * equal subscribers share one upstream poll, and no answer crosses from one principal, or from one set of rights, to
 * another.
 */
export class CheckFeed implements Feed {
  readonly replays = true;
  readonly filters = false;
  readonly #options: CheckSourceOptions;
  readonly #sources = new Map<string, CheckSource>();

  constructor(options: CheckSourceOptions) {
    this.#options = options;
  }

  now(subscription: SubscriptionDetails): Promise<FeedPage> {
    return this.#source(subscription).now(subscription);
  }

  read(subscription: SubscriptionDetails, cursor: string, options: ReadOptions): Promise<FeedPage> {
    return this.#source(subscription).read(subscription, cursor, options);
  }

  attach(receiver: FeedReceiver, cursor: string | null): Attachment | undefined {
    if (cursor === null) return undefined;
    return this.#source(receiver.subscription).attach(receiver, cursor);
  }

  /** The author knows that something changed upstream: look now instead of at the next interval. */
  wake(): void {
    for (const source of this.#sources.values()) source.wake();
  }

  close(): void {
    for (const source of this.#sources.values()) source.close();
    this.#sources.clear();
  }

  #source(subscription: SubscriptionDetails): CheckSource {
    const { argumentsKey, context, principal } = subscription;
    const { clientId, scopes, token } = context.authInfo ?? {};
    const key = JSON.stringify([principal ?? null, argumentsKey, token, clientId, scopes]);
    let source = this.#sources.get(key);
    if (source === undefined) {
      source = new CheckSource(this.#options, () => this.#sources.delete(key));
      this.#sources.set(key, source);
    }
    return source;
  }
}
