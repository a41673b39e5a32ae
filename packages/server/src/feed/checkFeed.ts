import type { Subscription } from '../subscription/subscription.ts';
import { CheckSource } from './checkSource.ts';
import type { CheckSourceOptions } from './checkSource.ts';
import type { Attachment, Feed, FeedPage, FeedReceiver, ReadOptions } from './feed.ts';

/**
 * The feed of an event type whose author calls the upstream: one source per principal and arguments, so that equal
 * subscribers share one upstream poll and no answer crosses from one principal to another.
 */
export class CheckFeed implements Feed {
  readonly replays = true;
  readonly filters = false;
  readonly #options: CheckSourceOptions;
  readonly #sources = new Map<string, CheckSource>();

  constructor(options: CheckSourceOptions) {
    this.#options = options;
  }

  now(subscription: Subscription): Promise<FeedPage> {
    return this.#source(subscription).now(subscription);
  }

  read(subscription: Subscription, cursor: string, options: ReadOptions): Promise<FeedPage> {
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

  #source(subscription: Subscription): CheckSource {
    const key = JSON.stringify([subscription.principal ?? null, subscription.argumentsKey]);
    let source = this.#sources.get(key);
    if (source === undefined) {
      source = new CheckSource(this.#options, () => this.#sources.delete(key));
      this.#sources.set(key, source);
    }
    return source;
  }
}
