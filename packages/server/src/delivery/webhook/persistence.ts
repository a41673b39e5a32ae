import type { Clock } from '../../clock.ts';
import type { SecretSealer, StoredSubscription, SubscriptionStore } from './subscriptionStore.ts';
import type { WebhookSubscription } from './webhookSubscription.ts';

/** How long the position of a busy subscription may wait to be stored: what is sent again after a crash. */
const PROGRESS_MS = 1_000;

const unsealed: SecretSealer = { seal: (secret) => secret, open: (sealed) => sealed };

/**
 * Writes webhook subscriptions to the store: grants at once, because they are promises, and positions once in a while.
 * Writes of one subscription happen in order.
 */
export class Persistence {
  readonly #store: SubscriptionStore;
  readonly #sealer: SecretSealer;
  readonly #clock: Clock;
  readonly #report: (error: unknown, name: string) => void;
  /** Writes under way, by subscription. */
  readonly #writes = new Map<string, Promise<void>>();
  readonly #dirty = new Set<WebhookSubscription>();
  #timer: unknown;

  constructor(
    store: SubscriptionStore,
    sealer: SecretSealer | undefined,
    clock: Clock,
    report: (error: unknown, name: string) => void,
  ) {
    this.#store = store;
    this.#sealer = sealer ?? unsealed;
    this.#clock = clock;
    this.#report = report;
  }

  async load(): Promise<StoredSubscription[]> {
    return [...(await this.#store.load())];
  }

  /** Rejects when the secret cannot be read. */
  async openSecret(sealed: string): Promise<string> {
    return this.#sealer.open(sealed);
  }

  /** Rejects when the store does: then nothing may be promised. */
  async save(subscription: WebhookSubscription): Promise<void> {
    this.#dirty.delete(subscription);
    await this.#inOrder(subscription.id, async () => {
      if (!subscription.ended) await this.#store.save(await this.#record(subscription));
    });
  }

  /** The position moved. */
  touch(subscription: WebhookSubscription): void {
    this.#dirty.add(subscription);
    this.#timer ??= this.#clock.setTimeout(() => void this.flush(), PROGRESS_MS);
  }

  /** Removes the record. A failure is reported: the subscription has ended whatever the store does. */
  async delete({ id, name }: WebhookSubscription): Promise<void> {
    try {
      await this.#inOrder(id, async () => this.#store.delete(id));
    } catch (error) {
      this.#report(error, name);
    }
  }

  /** Stores what has moved. */
  async flush(): Promise<void> {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    const moved = [...this.#dirty];
    this.#dirty.clear();
    await Promise.all(
      moved.map((subscription) =>
        this.save(subscription).catch((error: unknown) => this.#report(error, subscription.name)),
      ),
    );
    await Promise.allSettled(this.#writes.values());
  }

  async #record(subscription: WebhookSubscription): Promise<StoredSubscription> {
    const { id, name, principal, rawArguments, url, dialect, secrets, refreshBeforeMs, cursor, suspended } =
      subscription;
    const { secret, replaced } = secrets.reveal();
    return {
      id,
      name,
      principal,
      arguments: rawArguments,
      url,
      dialect,
      secret: await this.#sealer.seal(secret),
      ...(replaced === undefined
        ? {}
        : { replacedSecret: { secret: await this.#sealer.seal(replaced.secret), untilMs: replaced.untilMs } }),
      refreshBeforeMs,
      cursor,
      suspended,
    };
  }

  #inOrder(id: string, write: () => Promise<void>): Promise<void> {
    const before = this.#writes.get(id) ?? Promise.resolve();
    const done = before.then(write);
    const settled = done
      .catch(() => {})
      .finally(() => {
        if (this.#writes.get(id) === settled) this.#writes.delete(id);
      });
    this.#writes.set(id, settled);
    return done;
  }
}
