import { webhookSecretSchema } from '@mcp-events/protocol';
import type { Clock } from '../../clock.ts';
import { readStoredSubscription } from '../../storage/subscriptionStore.ts';
import type { StoredSubscription, SubscriptionStore } from '../../storage/subscriptionStore.ts';
import { matchesFilter } from '../../subscription/registry.ts';
import type { SubscriptionFilter } from '../../subscription/registry.ts';
import type { SecretSealer } from './signing/secretSealer.ts';
import type { WebhookSubscription } from './webhookSubscription.ts';

/** How long the position of a busy subscription may wait to be stored: what is sent again after a crash. */
const PROGRESS_MS = 1_000;

/** When the store is tried again after a failure. */
const RETRY_MS = 30_000;

/** Writes under way at the same time, of those that can wait: engines store them together. */
const CONCURRENCY = 128;

/** Records read before requests get a turn: a millisecond. */
const RECORDS_PER_TURN = 256;

/** What a subscription signs with, and signed with before. */
export interface OpenedSecrets {
  readonly secret: string;
  readonly replaced?: { readonly secret: string; readonly untilMs: number } | undefined;
}

/** A change that is not stored yet. */
interface Change {
  readonly id: string;
  readonly name: string;
  readonly write: () => Promise<void>;
}

/** What has ended, and what is to be written of that. */
interface End {
  readonly of: EndedSubscription;
  readonly change: Change;
}

/** Whose end is stored. */
export type EndedSubscription = Pick<StoredSubscription, 'id' | 'name' | 'principal'>;

/**
 * Writes webhook subscriptions to the store: grants at once, because they are promises, and positions once in a while.
 * Writes of one subscription happen in order, and of those that wait only the last.
 */
export class Persistence {
  readonly #store: SubscriptionStore;
  readonly #sealer: SecretSealer;
  readonly #clock: Clock;
  readonly #report: (error: unknown, name?: string) => void;
  /** The last write that was begun, by subscription. */
  readonly #writes = new Map<string, Promise<void>>();
  /** What is to be written, by subscription. */
  readonly #waiting = new Map<string, Change>();
  /** Ends that are not stored yet, by subscription: a restart would bring these back. */
  readonly #ends = new Map<string, End>();
  #timer: unknown;
  #flushing = false;
  /** The store failed since the last flush began. */
  #failed = false;
  #closed = false;

  constructor(
    store: SubscriptionStore,
    sealer: SecretSealer,
    clock: Clock,
    report: (error: unknown, name?: string) => void,
  ) {
    this.#store = store;
    this.#sealer = sealer;
    this.#clock = clock;
    this.#report = report;
  }

  /** Subscriptions with something that is not stored yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether something of this subscription is not stored yet. */
  isWaiting(id: string): boolean {
    return this.#waiting.has(id);
  }

  /** Gives what can be read of what is stored, in turns. Rejects when the store does. */
  async load(take: (record: StoredSubscription) => void): Promise<void> {
    let count = 0;
    for (const stored of await this.#store.load()) {
      if (++count % RECORDS_PER_TURN === 0) await this.#turn();
      let record: StoredSubscription;
      try {
        record = readStoredSubscription(stored);
      } catch (error) {
        this.#report(error);
        continue;
      }
      take(record);
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.setImmediate(resolve));
  }

  /** Throws when a secret cannot be read, or is none: deliveries would be signed with a key that can be guessed. */
  openSecrets({ id, principal, secret, replacedSecret }: StoredSubscription): OpenedSecrets {
    try {
      return {
        secret: this.#openSecret(id, secret),
        replaced: replacedSecret && {
          secret: this.#openSecret(id, replacedSecret.secret),
          untilMs: replacedSecret.untilMs,
        },
      };
    } catch (error) {
      const { message } = error as Error;
      throw new TypeError(`the subscription ${id} of ${JSON.stringify(principal)} cannot be signed for: ${message}`, {
        cause: error,
      });
    }
  }

  #openSecret(id: string, sealed: string): string {
    const secret = this.#sealer.open(id, sealed);
    if (webhookSecretSchema.safeParse(secret).success) return secret;
    throw new TypeError('a stored signing secret is not what was sealed');
  }

  /** Whether its secrets were sealed with a key that is to be replaced. */
  isOutdated({ secret, replacedSecret }: StoredSubscription): boolean {
    return (
      this.#sealer.isOutdated(secret) ||
      (replacedSecret !== undefined && this.#sealer.isOutdated(replacedSecret.secret))
    );
  }

  /**
   * Rejects when the store does: then nothing may be promised.
   *
   * @param isBack its client is back: a suspension ends with the answer, and must not begin again with the next run
   */
  save(subscription: WebhookSubscription, isBack = false): Promise<void> {
    this.#waiting.delete(subscription.id);
    this.#ends.delete(subscription.id);
    return this.#begin(this.#saving(subscription, isBack));
  }

  /** The position moved. */
  touch(subscription: WebhookSubscription): void {
    // What has ended has nothing to store, and must not stand in the way of what has its id now.
    if (subscription.ended) return;
    // What waits is its own: `save` has taken the place of anything older. It reads the position when it is written.
    if (!this.#waiting.has(subscription.id)) this.#writeLater(this.#saving(subscription));
  }

  /**
   * Removes the record. Resolves with whether that is done, when it is or has failed: then it is tried again, as the
   * subscription has ended whatever the store does.
   */
  delete(ended: EndedSubscription): Promise<boolean> {
    return this.#end(ended, async () => this.#store.delete(ended.id));
  }

  /** Stores a record of what has ended and still owes something. Resolves like {@link delete}. */
  keepEnded(record: StoredSubscription): Promise<boolean> {
    return this.#end(record, async () => this.#store.save(record));
  }

  /** Stores a record that is not of a live subscription. Resolves like {@link delete}. */
  keep(record: StoredSubscription): Promise<boolean> {
    const { id, name } = record;
    this.#waiting.delete(id);
    return this.#try({ id, name, write: async () => this.#store.save(record) });
  }

  /**
   * Ends that came before this call and are not stored yet. What failed is tried again at once; resolves with whether each is
   * stored then (TERM-11).
   */
  storeEnds(filter: SubscriptionFilter): Promise<boolean[]> {
    const found = [...this.#ends.values()].filter(({ of }) => matchesFilter(filter, of));
    return Promise.all(
      found.map(async (end) => {
        await this.settled(end.of.id);
        if (this.#ends.get(end.of.id) !== end) return true;
        this.#waiting.delete(end.of.id);
        return this.#try(end.change);
      }),
    );
  }

  /** Resolves when what was begun for this subscription is stored, or has failed. */
  async settled(id: string): Promise<void> {
    await this.#writes.get(id);
  }

  /** Stores what has moved, once; nothing is tried again from now on. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#clock.clearTimeout(this.#timer);
    await this.#flush();
    await Promise.all(this.#writes.values());
  }

  #end(of: EndedSubscription, write: () => Promise<void>): Promise<boolean> {
    const { id, name } = of;
    const end: End = {
      of,
      change: {
        id,
        name,
        write: async () => {
          await write();
          if (this.#ends.get(id) === end) this.#ends.delete(id);
        },
      },
    };
    this.#waiting.delete(id);
    this.#ends.set(id, end);
    return this.#try(end.change);
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    this.#flushing = true;
    this.#failed = false;
    const ids = [...this.#waiting.keys()];
    const worker = async (): Promise<void> => {
      let id: string | undefined;
      while ((id = ids.pop()) !== undefined) {
        // It waits until it is begun: what is begun before, for the same subscription, takes its place.
        const change = this.#waiting.get(id);
        if (change === undefined) continue;
        this.#waiting.delete(id);
        await this.#try(change);
      }
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, ids.length) }, worker));
    this.#flushing = false;
    if (this.#waiting.size > 0) this.#schedule();
  }

  /** Resolves with whether the change is stored. */
  async #try(change: Change): Promise<boolean> {
    const done = this.#begin(change);
    const mine = this.#writes.get(change.id);
    try {
      await done;
      return true;
    } catch (error) {
      this.#report(error, change.name);
      this.#failed = true;
      // What was begun meanwhile is newer: a new subscription must not be deleted with the record of an old one.
      const last = this.#writes.get(change.id);
      if ((last === undefined || last === mine) && !this.#waiting.has(change.id)) this.#writeLater(change);
      return false;
    }
  }

  #writeLater(change: Change): void {
    // Also when nothing is tried again: whoever asks must not be told that it is stored.
    this.#waiting.set(change.id, change);
    this.#schedule();
  }

  /** One flush at a time: a store that is slower than the positions move gets the last of them, not all. */
  #schedule(): void {
    if (this.#flushing || this.#closed) return;
    this.#timer ??= this.#clock.setTimeout(() => void this.#flush(), this.#failed ? RETRY_MS : PROGRESS_MS);
  }

  #saving(subscription: WebhookSubscription, isBack = false): Change {
    const { id, name } = subscription;
    const write = async (): Promise<void> => {
      if (subscription.ended) return;
      const record = this.#record(subscription);
      await this.#store.save(isBack ? { ...record, suspended: false } : record);
    };
    return { id, name, write };
  }

  #record(subscription: WebhookSubscription): StoredSubscription {
    const { id, name, principal, rawArguments, url, dialect, secrets, refreshBeforeMs, position, gapAfter } =
      subscription;
    const { consent, owesUnsubscribe, definition } = subscription;
    const { secret, replaced } = secrets.reveal(this.#clock.now());
    subscription.storedCursor = position;
    return {
      id,
      name,
      principal,
      arguments: rawArguments,
      url,
      dialect,
      ...(subscription.ordered ? { ordered: true } : {}),
      secret: (secrets.sealed ??= this.#sealer.seal(id, secret)),
      ...(replaced === undefined
        ? {}
        : { replacedSecret: { secret: this.#sealer.seal(id, replaced.secret), untilMs: replaced.untilMs } }),
      refreshBeforeMs,
      ...subscription.lane.progress,
      gapAfter,
      consent,
      ...(owesUnsubscribe && definition.onUnsubscribe !== undefined ? { owesUnsubscribe } : {}),
    };
  }

  /** Writes after what was begun for the same subscription. */
  #begin({ id, write }: Change): Promise<void> {
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
