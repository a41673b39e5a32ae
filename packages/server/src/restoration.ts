import {
  canonicalArguments,
  deriveSubscriptionId,
  EventsError,
  internalError,
  unsupported,
} from '@mcp-events/protocol';
import type { EventType } from './catalog/eventType.ts';
import { schemaChanged } from './catalog/schemaChange.ts';
import type { Core } from './core.ts';
import type { Persistence } from './delivery/webhook/persistence.ts';
import { SigningSecrets } from './delivery/webhook/signing/signingSecrets.ts';
import { LogFeed } from './feed/logFeed.ts';
import type { StoredSubscription } from './storage/subscriptionStore.ts';
import type { Webhooks } from './delivery/webhook/webhooks.ts';
import type { WebhookSubscription } from './delivery/webhook/webhookSubscription.ts';
import {
  addWebhookSubscription,
  beginWebhookSubscription,
  openWebhookDelivery,
} from './requests/webhookSubscriptions.ts';
import type { Arguments } from './subscription/subscription.ts';

/** Subscriptions that come back at the same time, so that a slow source is not asked for all of them at once. */
const CONCURRENCY = 32;

/** Subscriptions after which requests get a turn: a few milliseconds. */
const RECORDS_PER_TURN = 64;

/** When what failed is tried again; doubles up to the longest. */
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 3_600_000;

/** Errors that say "not now": any other of the extension's says that there is no such subscription any more. */
const TEMPORARY_ERRORS: ReadonlySet<string> = new Set(['InternalError', 'ResourceExhausted', 'Unknown']);

/** Of one event type. */
interface Returning {
  /** By id: stored, and not live. */
  readonly stored: Map<string, StoredSubscription>;
  /** Of these, in no order, what is to be tried now. May have what is not stored any more. */
  untried: StoredSubscription[];
  running: Promise<void> | undefined;
}

/**
 * Brings stored webhook subscriptions back to life, each when its event type is offered again (TTL-10, TTL-11). The first
 * ones are delivered to while the others are still being read.
 */
export class Restoration {
  readonly #core: Core;
  readonly #webhooks: Webhooks;
  readonly #persistence: Persistence;
  /** By event type. */
  readonly #returning = new Map<string, Returning>();
  /** Ids that were read, for when reading begins anew: what has ended since does not come back. */
  readonly #known = new Set<string>();
  #loading: Promise<void>;

  constructor(core: Core, webhooks: Webhooks, persistence: Persistence) {
    this.#core = core;
    this.#webhooks = webhooks;
    this.#persistence = persistence;
    this.#loading = this.#load(0);
  }

  /** An event type is offered. */
  begin({ name }: EventType): void {
    const returning = this.#returning.get(name);
    if (returning === undefined) return;
    returning.untried = [...returning.stored.values()];
    this.#run(name, returning, 0);
  }

  /**
   * Resolves when the subscriptions of this type are live, as far as they can be. Rejects with InternalError while the
   * store cannot be read.
   */
  async restored(name: string): Promise<void> {
    await this.#loading;
    let running: Promise<void> | undefined;
    while ((running = this.#returning.get(name)?.running) !== undefined) await running;
  }

  /** Whether a subscription is stored that is not live. */
  has(id: string): boolean {
    for (const { stored } of this.#returning.values()) if (stored.has(id)) return true;
    return false;
  }

  /** Gives up a subscription that is not live. `false` when there is none. Its record is the caller's concern. */
  forget(name: string, id: string): boolean {
    return this.#returning.get(name)?.stored.delete(id) ?? false;
  }

  #load(failures: number): Promise<void> {
    const loading = this.#read().catch((error: unknown) => {
      this.#core.report(error, 'storage');
      const again = (): void => {
        this.#loading = this.#load(failures + 1);
      };
      if (!this.#core.closed) this.#webhooks.retryIn(delayMs(failures), again);
      throw internalError('Webhook subscriptions are not available at the moment');
    });
    loading.catch(() => {});
    return loading;
  }

  async #read(): Promise<void> {
    await this.#persistence.load((record) => {
      const { id, name } = record;
      // Also that of an event type which is never offered again.
      if (this.#hasExpired(record)) void this.#persistence.delete(record);
      else if (!this.#known.has(id)) {
        this.#known.add(id);
        const returning = this.#returningOf(name);
        returning.stored.set(id, record);
        returning.untried.push(record);
        this.#run(name, returning, 0);
      }
    });
    this.#known.clear();
  }

  #returningOf(name: string): Returning {
    let returning = this.#returning.get(name);
    if (returning === undefined) {
      returning = { stored: new Map(), untried: [], running: undefined };
      this.#returning.set(name, returning);
    }
    return returning;
  }

  #run(name: string, returning: Returning, failures: number): void {
    const isOffered = this.#core.catalog.get(name) !== undefined;
    if (returning.running !== undefined || returning.untried.length === 0 || !isOffered || this.#core.closed) return;
    returning.running = this.#restore(name, returning, failures).finally(() => {
      returning.running = undefined;
      this.#run(name, returning, 0);
    });
  }

  async #restore(name: string, returning: Returning, failures: number): Promise<void> {
    const { catalog } = this.#core;
    const failed: StoredSubscription[] = [];
    let count = 0;
    const worker = async (): Promise<void> => {
      // A type that is withdrawn meanwhile leaves the rest for when it is offered again.
      while (!this.#core.closed && catalog.get(name) !== undefined) {
        const record = returning.untried.pop();
        if (record === undefined) return;
        if (++count % RECORDS_PER_TURN === 0) await this.#turn();
        try {
          await this.#restoreOne(record);
        } catch (error) {
          this.#core.report(error, 'restore', name);
          failed.push(record);
        }
      }
    };
    // What is read in this turn comes along.
    await this.#turn();
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    if (failed.length === 0 || this.#core.closed) return;
    this.#webhooks.retryIn(delayMs(failures), () => {
      returning.untried.push(...failed.filter((record) => returning.stored.get(record.id) === record));
      this.#run(name, returning, failures + 1);
    });
  }

  async #restoreOne(record: StoredSubscription): Promise<void> {
    // A new subscription may have its place.
    if (this.#returning.get(record.name)?.stored.get(record.id) !== record) return;
    if (this.#hasExpired(record)) {
      this.forget(record.name, record.id);
      await this.#persistence.delete(record);
      return;
    }
    const created = await this.#create(record);
    if (created === undefined) return;
    const { type, subscription } = created;
    const establishing = this.#establish(type, subscription, record);
    subscription.establishing = establishing.catch(() => {});
    await establishing;
  }

  async #establish(type: EventType, subscription: WebhookSubscription, record: StoredSubscription): Promise<void> {
    const { compiled } = type;
    this.#webhooks.markConsented(subscription);
    this.#webhooks.expireAt(subscription, record.refreshBeforeMs);
    subscription.restored = true;
    subscription.storedCursor = record.cursor;
    subscription.lane.restore(record);
    try {
      if (type.brokenSinceLastRun !== undefined) throw schemaChanged(type.brokenSinceLastRun);
      if (!compiled.descriptor.delivery.includes('webhook')) throw unsupported('deliveryMode', { value: 'webhook' });
      await this.#authorize(type, subscription);
      // The process it provisioned something in is gone, so it is asked again (HOOK-01).
      await beginWebhookSubscription(this.#core, subscription);
      const opening = await openWebhookDelivery(this.#core, type, subscription, record.cursor, { together: true });
      subscription.lane.goOn(opening, settledBefore(type, opening.cursor, record));
      opening.start();
      if (this.#persistence.isOutdated(record)) this.#persistence.touch(subscription);
    } catch (error) {
      if (subscription.ended) return;
      if (error instanceof EventsError && !TEMPORARY_ERRORS.has(error.errorName)) {
        subscription.terminate(error);
        return;
      }
      // Without delivery it would only look alive. It comes back later, or when its client does.
      subscription.keepsRecord = true;
      subscription.end();
      this.#returningOf(record.name).stored.set(record.id, record);
      throw error;
    }
  }

  /** It may have lost access since (AUTH-02). A failure to ask is no answer, as while delivering. */
  async #authorize({ compiled }: EventType, subscription: WebhookSubscription): Promise<void> {
    try {
      await this.#core.lifecycle.authorize(compiled.definition, subscription);
    } catch (error) {
      if (error instanceof EventsError && error.errorName !== 'InternalError') throw error;
    }
  }

  /** `undefined` when there is no place for it: a new one has its key, or its type is not offered any more. */
  async #create(
    record: StoredSubscription,
  ): Promise<{ type: EventType; subscription: WebhookSubscription } | undefined> {
    const core = this.#core;
    const { id, name, principal, arguments: rawArguments, url, dialect } = record;
    if (deriveSubscriptionId({ namespace: core.namespace, principal, name, arguments: rawArguments, url }) !== id) {
      // Under another id its client could neither refresh it nor end it.
      throw new TypeError(`the stored subscription ${id} has the id of another key; has the namespace changed?`);
    }
    const callback = this.#webhooks.readCallbackUrl(url);
    const secrets = this.#openSecrets(record);
    for (;;) {
      const type = core.catalog.get(name);
      if (type === undefined) return undefined;
      const { compiled } = type;
      const args = await readArguments(type, rawArguments);
      const isStored = this.#returning.get(name)?.stored.get(id) === record;
      if (core.closed || !isStored) return undefined;
      if (core.catalog.get(name) !== type || type.compiled !== compiled) continue;
      const context = { authInfo: undefined, principal, mode: 'webhook' as const, subscriptionId: id };
      const argumentsKey = canonicalArguments(rawArguments);
      const subscription = addWebhookSubscription({
        core,
        webhooks: this.#webhooks,
        details: { id, name, principal, rawArguments, arguments: args, argumentsKey, context },
        definition: compiled.definition,
        callback,
        dialect,
        ordered: record.ordered ?? false,
        secrets,
      });
      return { type, subscription };
    }
  }

  #openSecrets(record: StoredSubscription): SigningSecrets {
    const { id, secret, replacedSecret } = record;
    const opened = this.#persistence.openSecret(id, secret);
    const replaced = replacedSecret && {
      secret: this.#persistence.openSecret(id, replacedSecret.secret),
      untilMs: replacedSecret.untilMs,
    };
    const secrets = new SigningSecrets({ secret: opened, replaced });
    if (!this.#persistence.isOutdated(record)) secrets.sealed = secret;
    return secrets;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#core.clock.setImmediate(resolve));
  }

  #hasExpired({ refreshBeforeMs }: StoredSubscription): boolean {
    return refreshBeforeMs !== null && refreshBeforeMs <= this.#core.clock.now();
  }
}

/** Arguments the present schema refuses stay as they are: what they matched they still match (TERM-04). */
async function readArguments({ compiled: { input } }: EventType, rawArguments: Arguments): Promise<Arguments> {
  try {
    return await input.parse(rawArguments);
  } catch {
    return rawArguments;
  }
}

/** Acknowledged positions that delivery, which goes on at `cursor`, does not come to any more. */
function settledBefore({ feed }: EventType, cursor: string | null, { settled }: StoredSubscription): string[] {
  if (!(feed instanceof LogFeed) || cursor === null || settled.length === 0) return [];
  const start = feed.positionOf(cursor) ?? 0;
  return settled.filter((position) => (feed.positionOf(position) ?? Infinity) <= start);
}

function delayMs(failures: number): number {
  return Math.min(RETRY_MS * 2 ** failures, LONGEST_RETRY_MS);
}
