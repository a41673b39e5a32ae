import {
  canonicalArguments,
  deriveSubscriptionId,
  isEventsError,
  lastErrorSchema,
  type EventsError,
  unsupported,
} from '@mcp-events/protocol';
import type { EventType } from '../catalog/eventType.ts';
import { webhookContext } from '../context.ts';
import { Since } from '../clock.ts';
import type { Core } from '../core.ts';
import type { Persistence } from '../delivery/webhook/persistence.ts';
import { SigningSecrets } from '../delivery/webhook/signing/signingSecrets.ts';
import type { CallbackUrl } from '../delivery/webhook/verification/callbackUrl.ts';
import type { Webhooks } from '../delivery/webhook/webhooks.ts';
import type { WebhookSubscription } from '../delivery/webhook/webhookSubscription.ts';
import { LogFeed } from '../feed/logFeed.ts';
import { addWebhookSubscription, openWebhookSubscription } from '../requests/webhookSubscriptions.ts';
import type { StoredSubscription } from '../storage/subscriptionStore.ts';
import type { Arguments, SubscriptionDetails } from '../subscription/subscription.ts';
import { readArguments } from './owedHooks.ts';
import type { StoredSubscriptions } from './storedSubscriptions.ts';

/**
 * Errors that say "not now": any other of the extension's says that there is no such subscription any more. An endpoint
 * that does not consent today may tomorrow.
 */
const TEMPORARY_ERRORS: ReadonlySet<string> = new Set([
  'InternalError',
  'ResourceExhausted',
  'CallbackEndpointError',
  'Unknown',
]);

type Failing = NonNullable<StoredSubscription['failing']>;

/** One stored subscription on its way back. */
interface Found {
  readonly type: EventType;
  readonly subscription: WebhookSubscription;
  readonly callback: CallbackUrl;
}

/** Brings one stored subscription back: the same way as a new one, from where an earlier run was. */
export class Comeback {
  readonly #core: Core;
  readonly #webhooks: Webhooks;
  readonly #persistence: Persistence;
  readonly #stored: StoredSubscriptions;
  /** Since when endpoints fail, by what is stored of it. */
  readonly #since = new WeakMap<Failing, Since>();

  constructor(core: Core, webhooks: Webhooks, persistence: Persistence, stored: StoredSubscriptions) {
    this.#core = core;
    this.#webhooks = webhooks;
    this.#persistence = persistence;
    this.#stored = stored;
  }

  hasExpired({ refreshBeforeMs }: StoredSubscription): boolean {
    return refreshBeforeMs !== null && refreshBeforeMs <= this.#core.clock.now();
  }

  /** Resolves when it is live, or has ended. Rejects when it is to be tried again. */
  async run(record: StoredSubscription): Promise<void> {
    const begun = await this.#begin(record);
    await begun?.established;
  }

  /**
   * Tells the endpoint of a subscription that is not live that it has ended, if it ever consented (ENV-05).
   *
   * @returns whether its record is gone, when it is or that has failed; `undefined` when the endpoint is not told
   */
  tellEnd(record: StoredSubscription, error: EventsError): Promise<boolean> | undefined {
    const { name, arguments: args, dialect, consent } = record;
    try {
      const callback = this.#webhooks.readCallbackUrl(record.url);
      if (consent === undefined || !this.#webhooks.holds(consent, callback)) return undefined;
      const secrets = this.#openSecrets(record);
      // Without hooks: one may be owed on account of the record, whatever can be told.
      const made = { dialect, ordered: false, secrets, definition: {} };
      const subscription = this.#webhooks.create(detailsOf(record, args), callback, made);
      subscription.consentGiven(consent);
      subscription.terminate(error);
      return subscription.endStored;
    } catch (problem) {
      this.#core.report(problem, 'restore', name);
      return undefined;
    }
  }

  async #establish({ type, subscription, callback }: Found, record: StoredSubscription): Promise<void> {
    const { compiled } = type;
    const { consent, cursor } = record;
    this.#webhooks.expireAt(subscription, record.refreshBeforeMs);
    subscription.restored = true;
    subscription.storedCursor = cursor;
    subscription.lane.restore(record);
    if (record.owesUnsubscribe === true) subscription.hookRanBefore();
    if (consent !== undefined && this.#webhooks.holds(consent, callback)) subscription.consentGiven(consent);
    try {
      if (!compiled.descriptor.delivery.includes('webhook')) throw unsupported('deliveryMode', { value: 'webhook' });
      await this.#authorize(type, subscription);
      subscription.assertLive();
      const core = this.#core;
      // The process it provisioned something in is gone, so its author's hook is called again (HOOK-01).
      const opening = await openWebhookSubscription({
        core,
        webhooks: this.#webhooks,
        type,
        subscription,
        callback,
        cursor,
        together: true,
      });
      const isRestored = isBeforeBackup(type, record);
      subscription.lane.goOn({ ...opening, isRestored }, settledBefore(type, opening.cursor, record));
      opening.start();
      if (this.#persistence.isOutdated(record) || consent !== subscription.consent)
        this.#persistence.touch(subscription);
    } catch (error) {
      this.#failed(subscription, record, error);
    }
  }

  #failed(subscription: WebhookSubscription, record: StoredSubscription, error: unknown): void {
    // Whatever ended it decides what becomes of its record.
    if (subscription.ended) return;
    if (isEventsError(error) && !isTemporary(error, subscription)) {
      subscription.terminate(error);
      return;
    }
    const { owesUnsubscribe, definition } = subscription;
    const failing = refusalOf(error, record, this.#core.clock.now());
    const isRefusedTooLong =
      record.refreshBeforeMs === null &&
      failing !== record.failing &&
      failing !== null &&
      this.#failingForMs(failing, record) >= this.#webhooks.dropFailingAfterMs;
    if (isRefusedTooLong) {
      void subscription.end('lapsed');
      return;
    }
    // Without delivery it would only look alive. It comes back later, or when its client does.
    void subscription.end('postponed');
    const isPaired = owesUnsubscribe && definition.onUnsubscribe !== undefined;
    const next = { ...record, failing, ...(isPaired ? { owesUnsubscribe: undefined } : {}) };
    this.#stored.set(next);
    if (isPaired || failing?.sinceMs !== record.failing?.sinceMs) void this.#persistence.keep(next);
    throw error;
  }

  /** As measured in this run, whatever the time of day was set to meanwhile. */
  #failingForMs(failing: Failing, { failing: before }: StoredSubscription): number {
    const { clock } = this.#core;
    const since = (before && this.#since.get(before)) ?? new Since(clock, failing.sinceMs);
    this.#since.set(failing, since);
    return since.elapsedMs(clock);
  }

  /** It may have lost access since (AUTH-02). A failure to ask is no answer, as while delivering. */
  async #authorize({ compiled }: EventType, subscription: WebhookSubscription): Promise<void> {
    try {
      await this.#core.lifecycle.authorize(compiled.definition, subscription);
    } catch (error) {
      if (isEventsError(error) && error.errorName !== 'InternalError') throw error;
    }
  }

  /** `undefined` when there is no place for it: a new one has its key, or its type is not offered any more. */
  async #begin(record: StoredSubscription): Promise<{ readonly established: Promise<void> } | undefined> {
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
      const args = await readArguments(core, type, rawArguments);
      if (core.closed || this.#stored.get(name, id) !== record) return undefined;
      if (core.catalog.get(name) !== type || type.compiled !== compiled) continue;
      const subscription = addWebhookSubscription({
        core,
        webhooks: this.#webhooks,
        details: detailsOf(record, args),
        definition: compiled.definition,
        callback,
        dialect,
        ordered: record.ordered ?? false,
        secrets,
      });
      // Within this step: whoever finds it from now on waits for it, and finds it where it stood.
      const established = this.#establish({ type, subscription, callback }, record);
      const over = (): void => {
        subscription.establishing = undefined;
      };
      subscription.establishing = established.then(over, over);
      return { established };
    }
  }

  #openSecrets(record: StoredSubscription): SigningSecrets {
    const secrets = new SigningSecrets(this.#persistence.openSecrets(record));
    if (!this.#persistence.isOutdated(record)) secrets.sealed = record.secret;
    return secrets;
  }
}

function isTemporary({ errorName }: EventsError, { state }: WebhookSubscription): boolean {
  // What the address of an endpoint is found to be today says nothing of tomorrow.
  return TEMPORARY_ERRORS.has(errorName) || (errorName === 'InvalidParams' && state === 'verifying');
}

/** Since when the endpoint fails, where it failed now to say that it wants deliveries. */
function refusalOf(error: unknown, { failing }: StoredSubscription, nowMs: number): StoredSubscription['failing'] {
  if (!isEventsError(error) || error.errorName !== 'CallbackEndpointError') return failing;
  const reason = lastErrorSchema.safeParse(error.data?.reason);
  return { sinceMs: failing?.sinceMs ?? nowMs, reason: reason.data ?? 'challenge_failed' };
}

function detailsOf(record: StoredSubscription, args: Arguments): SubscriptionDetails & { readonly principal: string } {
  const { id, name, principal, arguments: rawArguments } = record;
  const context = webhookContext(principal, id);
  const argumentsKey = canonicalArguments(rawArguments);
  return { id, name, principal, rawArguments, arguments: args, argumentsKey, context };
}

/**
 * Whether the log was restored from a backup since the record was stored. Its endpoint may have been beyond the backup's
 * end, and have missed there what is lost with the original: unlike a client that reads, it does not say (EMIT-21).
 */
function isBeforeBackup({ feed }: EventType, { cursor }: StoredSubscription): boolean {
  return feed instanceof LogFeed && cursor !== null && feed.isInherited(cursor);
}

/** Acknowledged positions that delivery, which goes on at `cursor`, does not come to any more. */
function settledBefore({ feed }: EventType, cursor: string | null, { settled }: StoredSubscription): string[] {
  if (!(feed instanceof LogFeed) || cursor === null || settled.length === 0) return [];
  const start = feed.positionOf(cursor) ?? 0;
  return settled.filter((position) => (feed.positionOf(position) ?? Infinity) <= start);
}
