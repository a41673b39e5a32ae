import type { Dialect } from '@mcp-events/protocol';
import type { AnyDefinition } from '../catalog/definition.ts';
import type { EventType } from '../catalog/eventType.ts';
import type { Core } from '../core.ts';
import type { SigningSecrets } from '../delivery/webhook/signing/signingSecrets.ts';
import type { CallbackUrl } from '../delivery/webhook/verification/callbackUrl.ts';
import type { Webhooks } from '../delivery/webhook/webhooks.ts';
import type { WebhookSubscription } from '../delivery/webhook/webhookSubscription.ts';
import type { ReservedPlaces } from '../subscription/registry.ts';
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
  /** Places that are kept for others. */
  readonly reserved?: ReservedPlaces | undefined;
}

/**
 * Makes and counts a webhook subscription that is not delivered to yet, in the place of one with its id that is stored.
 * Throws ResourceExhausted (ERR-04).
 */
export function addWebhookSubscription(options: NewWebhookSubscription): WebhookSubscription {
  const { core, webhooks, details, callback, definition, dialect, ordered, secrets, reserved } = options;
  const subscription = webhooks.create(details, callback, { definition, dialect, ordered, secrets });
  try {
    core.registry.add(subscription, reserved);
  } catch (error) {
    // What is stored under its id is not its own.
    void subscription.end('postponed');
    throw error;
  }
  core.forgetStored(subscription.name, subscription.id);
  return subscription;
}

/** How a subscription that was added gets to its endpoint. */
export interface OpeningOptions {
  readonly core: Core;
  readonly webhooks: Webhooks;
  readonly type: EventType;
  readonly subscription: WebhookSubscription;
  readonly callback: CallbackUrl;
  readonly cursor: string | null;
  readonly maxAgeMs?: number | undefined;
  /** Whether it is one of many that come back. */
  readonly together?: boolean;
}

export interface OpenedDelivery {
  readonly cursor: string | null;
  readonly truncated: boolean;
  /** Begins delivery, unless it ended meanwhile. */
  readonly start: () => void;
}

/**
 * What lies between a subscription that was added and its delivery, new or coming back: its endpoint's consent, unless that
 * is known, the author's hook, the source. Each takes time in which it may end, and then nothing further happens: whatever
 * ended it decides. Rejects with what refuses it.
 */
export async function openWebhookSubscription(options: OpeningOptions): Promise<OpenedDelivery> {
  const { core, webhooks, type, subscription, callback, cursor, maxAgeMs, together } = options;
  if (subscription.consent === undefined) {
    subscription.consentGiven(await webhooks.verify(subscription, callback));
    subscription.assertLive();
  }
  await core.lifecycle.begin(subscription.definition, subscription);
  if (!subscription.hookRan()) core.lifecycle.end(subscription.definition, subscription);
  subscription.assertLive();
  const pump = createPump(core, type, subscription, subscription.lane);
  const shared = together === true && cursor !== null ? pump.openTogether(cursor) : undefined;
  const notBeforeMs = maxAgeMs === undefined ? undefined : core.clock.now() - maxAgeMs;
  const opening = shared ?? (await openPump(pump, cursor, notBeforeMs));
  subscription.attach(pump);
  subscription.assertLive();
  subscription.startCursor = opening.cursor;
  return { cursor: opening.cursor, truncated: opening.truncated, start: () => subscription.start() };
}
