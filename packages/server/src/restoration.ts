import { canonicalArguments, unsupported } from '@mcp-events/protocol';
import type { EventType } from './catalog/eventType.ts';
import type { Core } from './core.ts';
import type { Persistence } from './delivery/webhook/persistence.ts';
import { SigningSecrets } from './delivery/webhook/signing/signingSecrets.ts';
import type { StoredSubscription } from './delivery/webhook/subscriptionStore.ts';
import type { Webhooks } from './delivery/webhook/webhooks.ts';
import type { WebhookSubscription } from './delivery/webhook/webhookSubscription.ts';
import {
  addWebhookSubscription,
  beginWebhookSubscription,
  markConsented,
  openWebhookDelivery,
} from './requests/webhookSubscriptions.ts';

/** Subscriptions that come back at the same time, so that a slow source is not asked for all of them at once. */
const CONCURRENCY = 32;

/** Brings stored webhook subscriptions back to life, each when its event type is offered again (TTL-10, TTL-11). */
export class Restoration {
  readonly #core: Core;
  readonly #webhooks: Webhooks;
  readonly #persistence: Persistence;
  readonly #byName: Promise<Map<string, StoredSubscription[]>>;
  readonly #running = new Map<string, Promise<void>>();

  constructor(core: Core, webhooks: Webhooks, persistence: Persistence) {
    this.#core = core;
    this.#webhooks = webhooks;
    this.#persistence = persistence;
    this.#byName = this.#load();
  }

  /** An event type is offered. */
  begin(type: EventType): void {
    const running = this.#restore(type).finally(() => this.#running.delete(type.name));
    this.#running.set(type.name, running);
  }

  /** Resolves when the subscriptions of this type are live; `undefined` when they are. */
  restored(name: string): Promise<void> | undefined {
    return this.#running.get(name);
  }

  async #load(): Promise<Map<string, StoredSubscription[]>> {
    const byName = new Map<string, StoredSubscription[]>();
    try {
      for (const record of await this.#persistence.load()) {
        const sameName = byName.get(record.name);
        if (sameName === undefined) byName.set(record.name, [record]);
        else sameName.push(record);
      }
    } catch (error) {
      this.#core.report(error, 'store');
    }
    return byName;
  }

  async #restore(type: EventType): Promise<void> {
    const byName = await this.#byName;
    const records = byName.get(type.name) ?? [];
    byName.delete(type.name);
    const worker = async (): Promise<void> => {
      let record: StoredSubscription | undefined;
      while ((record = records.shift()) !== undefined) {
        try {
          await this.#restoreOne(type, record);
        } catch (error) {
          this.#core.report(error, 'restore', type.name);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, records.length) }, worker));
  }

  async #restoreOne(type: EventType, record: StoredSubscription): Promise<void> {
    const core = this.#core;
    const { definition } = type.compiled;
    const subscription = await this.#create(type, record);
    markConsented(this.#webhooks, subscription);
    this.#webhooks.expireAt(subscription, record.refreshBeforeMs);
    if (record.refreshBeforeMs !== null && record.refreshBeforeMs <= core.clock.now()) {
      subscription.end();
      return;
    }
    try {
      // The process it provisioned something in is gone, so it is asked again (HOOK-01).
      await beginWebhookSubscription(core, definition, subscription);
      const opening = await openWebhookDelivery(core, type, subscription, record.cursor, undefined);
      if (!type.compiled.descriptor.delivery.includes('webhook')) {
        subscription.terminate(unsupported('deliveryMode', { value: 'webhook' }));
        return;
      }
      // What was lost in between is told (OP-13); where there are no positions, nobody can know.
      if (opening.truncated && opening.cursor !== null) subscription.lane.lose(opening.cursor);
      opening.start();
    } catch (error) {
      // Without delivery it would only look alive. The client finds out when it refreshes.
      subscription.end();
      throw error;
    }
  }

  async #create(type: EventType, record: StoredSubscription): Promise<WebhookSubscription> {
    const { id, name, principal, arguments: rawArguments, url, dialect } = record;
    const secret = await this.#persistence.openSecret(record.secret);
    const replaced = record.replacedSecret && {
      secret: await this.#persistence.openSecret(record.replacedSecret.secret),
      untilMs: record.replacedSecret.untilMs,
    };
    const { definition, input } = type.compiled;
    // Arguments the present schema refuses stay as they are: what they matched they still match (TERM-04).
    const args = await Promise.resolve(rawArguments)
      .then((raw) => input.parse(raw))
      .catch(() => rawArguments);
    const context = { authInfo: undefined, principal, mode: 'webhook' as const, subscriptionId: id };
    return addWebhookSubscription({
      core: this.#core,
      webhooks: this.#webhooks,
      details: {
        id,
        name,
        principal,
        rawArguments,
        arguments: args,
        argumentsKey: canonicalArguments(rawArguments),
        context,
      },
      definition,
      callback: this.#webhooks.readCallbackUrl(url),
      dialect,
      secrets: new SigningSecrets({ secret, replaced }),
    });
  }
}
