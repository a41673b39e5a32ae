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
  /** Whether it is sent one delivery at a time. */
  readonly ordered: boolean;
  readonly secrets: SigningSecrets;
}

/** Makes and counts a webhook subscription that is not delivered to yet. Throws ResourceExhausted (ERR-04). */
export function addWebhookSubscription(options: NewWebhookSubscription): WebhookSubscription {
  const { core, webhooks, details, callback, definition, dialect, ordered, secrets } = options;
  const subscription = webhooks.create(details, callback, { definition, dialect, ordered, secrets });
  try {
    core.registry.add(subscription);
  } catch (error) {
    // What is stored under its id is not its own.
    subscription.keepsRecord = true;
    subscription.end();
    throw error;
  }
  // It takes the place of one that is stored and did not come back yet.
  core.forgetStored(subscription.name, subscription.id);
  return subscription;
}

/** Runs `onSubscribe`. Rejects with what refuses the subscription. */
export async function beginWebhookSubscription({ lifecycle }: Core, subscription: WebhookSubscription): Promise<void> {
  await lifecycle.begin(subscription.definition, subscription);
  // It may have ended while the hook ran: then nobody else calls the counterpart.
  if (subscription.ended) lifecycle.end(subscription.definition, subscription);
  subscription.begun = true;
}

/**
 * Finds where delivery starts; `start` then begins it. Rejects when the source cannot be read.
 *
 * @param together whether it is one of many that come back
 */
export async function openWebhookDelivery(
  core: Core,
  type: EventType,
  subscription: WebhookSubscription,
  cursor: string | null,
  { notBeforeMs, together }: { readonly notBeforeMs?: number | undefined; readonly together?: boolean },
): Promise<{ readonly cursor: string | null; readonly truncated: boolean; readonly start: () => void }> {
  const pump = createPump(core, type, subscription, subscription.lane);
  const shared = together === true && cursor !== null ? pump.openTogether(cursor) : undefined;
  const opening = shared ?? (await openPump(pump, cursor, notBeforeMs));
  subscription.startCursor = opening.cursor;
  subscription.attach(pump);
  return { cursor: opening.cursor, truncated: opening.truncated, start: () => subscription.start() };
}
