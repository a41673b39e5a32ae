import type { Dialect } from '@mcp-events/protocol';
import type { AnyDefinition } from '../catalog/definition.ts';
import type { EventType } from '../catalog/eventType.ts';
import type { Core } from '../core.ts';
import type { SigningSecrets } from '../delivery/webhook/signing/signingSecrets.ts';
import type { CallbackUrl } from '../delivery/webhook/verification/callbackUrl.ts';
import type { Webhooks } from '../delivery/webhook/webhooks.ts';
import type { WebhookSubscription } from '../delivery/webhook/webhookSubscription.ts';
import type { SubscriptionDetails } from '../subscription/subscription.ts';
import { createPump, openPump } from './openPump.ts';

export interface NewWebhookSubscription {
  readonly core: Core;
  readonly webhooks: Webhooks;
  readonly details: SubscriptionDetails & { readonly principal: string };
  readonly definition: AnyDefinition;
  readonly callback: CallbackUrl;
  readonly dialect: Dialect;
  readonly secrets: SigningSecrets;
}

/**
 * Counts a webhook subscription that is not delivered to yet. Whatever ends it takes back what was done for it by then.
 * Throws ResourceExhausted (ERR-04).
 */
export function addWebhookSubscription(options: NewWebhookSubscription): WebhookSubscription {
  const { core, webhooks, details, definition, callback, dialect, secrets } = options;
  const { registry, lifecycle } = core;
  const subscription = webhooks.create(details, callback, dialect, secrets, {
    onEnd: () => {
      registry.remove(subscription);
      if (subscription.consented) webhooks.releaseConsent(subscription);
      if (subscription.begun) lifecycle.end(definition, subscription);
      // A server that closes keeps what it promised for its next run (TTL-10).
      if (!core.closed && !subscription.keepsRecord) void webhooks.persistence?.delete(subscription);
    },
    isReplaced: () => registry.get(subscription.id) !== undefined,
  });
  registry.add(subscription);
  // It takes the place of one that is stored and did not come back yet.
  core.forgetStored(subscription.name, subscription.id);
  return subscription;
}

/** The endpoint has consented: remembered for its other subscriptions (VERIFY-06). */
export function markConsented(webhooks: Webhooks, subscription: WebhookSubscription): void {
  if (subscription.ended) return;
  subscription.consented = true;
  webhooks.useConsent(subscription);
}

/** Runs `onSubscribe`. Rejects with what refuses the subscription. */
export async function beginWebhookSubscription(
  core: Core,
  definition: AnyDefinition,
  subscription: WebhookSubscription,
): Promise<void> {
  await core.lifecycle.begin(definition, subscription);
  // It may have ended while the hook ran: then nobody else calls the counterpart.
  if (subscription.ended) core.lifecycle.end(definition, subscription);
  subscription.begun = true;
}

/** Finds where delivery starts; `start` then begins it. Rejects when the source cannot be read. */
export async function openWebhookDelivery(
  core: Core,
  type: EventType,
  subscription: WebhookSubscription,
  cursor: string | null,
  notBeforeMs: number | undefined,
): Promise<{ readonly cursor: string | null; readonly truncated: boolean; readonly start: () => void }> {
  const pump = createPump(core, type, subscription, subscription.lane);
  const opening = await openPump(pump, cursor, notBeforeMs);
  subscription.attach(pump);
  return { cursor: opening.cursor, truncated: opening.truncated, start: () => subscription.start() };
}
