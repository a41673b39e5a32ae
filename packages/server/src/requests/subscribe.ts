import {
  deriveSubscriptionId,
  forbidden,
  internalError,
  invalidParams,
  ORDERED_META_KEY,
  subscribeParamsSchema,
  unsupported,
} from '@mcp-events/protocol';
import type { DeliveryStatus, SubscribeParams, SubscribeResult } from '@mcp-events/protocol';
import type { Caller } from '../context.ts';
import type { Core } from '../core.ts';
import { SigningSecrets } from '../delivery/webhook/signing/signingSecrets.ts';
import type { CallbackUrl } from '../delivery/webhook/verification/callbackUrl.ts';
import type { Webhooks } from '../delivery/webhook/webhooks.ts';
import { WebhookSubscription } from '../delivery/webhook/webhookSubscription.ts';
import type { SubscriptionDetails } from '../subscription/subscription.ts';
import { admit, parseParams } from './target.ts';
import type { Target } from './target.ts';
import { addWebhookSubscription, beginWebhookSubscription, openWebhookDelivery } from './webhookSubscriptions.ts';

/** What one call of `events/subscribe` works with. */
interface SubscribeCall {
  readonly core: Core;
  readonly webhooks: Webhooks;
  readonly caller: Caller;
  readonly principal: string;
  readonly request: SubscribeParams;
  /** Whether the client asks for one delivery at a time; `undefined` when it does not say. */
  readonly ordered: boolean | undefined;
  readonly callback: CallbackUrl;
}

/** The subscription a call is about, which it found or made. */
interface Admitted {
  readonly subscription: WebhookSubscription;
  /** Of a new subscription: lets those go on who wait for it. */
  readonly established?: () => void;
  readonly target: Target;
  readonly details: SubscriptionDetails;
}

/** Answers `events/subscribe`: an upsert by principal, URL, name and arguments (SUB-02, SUB-05). */
export async function handleSubscribe(core: Core, caller: Caller, params: unknown): Promise<SubscribeResult> {
  const { principal } = caller;
  if (principal === undefined) throw forbidden('unauthenticated');
  const request = parseParams(subscribeParamsSchema, params);
  const ordered = readOrdered(request);
  const { mode = 'webhook', url } = request.delivery;
  const { webhooks } = core;
  if (mode !== 'webhook' || webhooks === undefined) {
    core.catalog.require(request.name);
    throw unsupported('deliveryMode', { value: mode });
  }
  const callback = webhooks.readCallbackUrl(url);
  await core.restored(request.name);
  const call: SubscribeCall = { core, webhooks, caller, principal, request, ordered, callback };
  for (;;) {
    const admitted = await admitSubscription(call);
    const { subscription, established } = admitted;
    if (established !== undefined) return establish(call, admitted).finally(established);
    // Whoever subscribed first may still be at it. If that fails, this call has a secret and a chance of its own.
    await subscription.establishing;
    // An origin that is not allowed any more is treated like any other from now on, which asks for its consent.
    if (subscription.trusted && !callback.trusted) subscription.end();
    if (!subscription.ended) return refresh(call, admitted);
  }
}

function admitSubscription(call: SubscribeCall): Promise<Admitted> {
  const { core, webhooks, caller, principal, request, callback } = call;
  const { name, arguments: args } = request;
  const id = deriveSubscriptionId({ namespace: core.namespace, principal, name, arguments: args, url: callback.text });
  return admit(core, caller, 'webhook', request, {
    idFor: () => id,
    admit: (target, details) => {
      const known = core.registry.get(id);
      if (known instanceof WebhookSubscription) return { subscription: known, target, details };
      // Before the endpoint is asked and onSubscribe is called, so that a refused subscription costs nothing (HOOK-08).
      const subscription = addWebhookSubscription({
        core,
        webhooks,
        details: { ...details, principal },
        definition: target.compiled.definition,
        callback,
        dialect: webhooks.dialectFor(caller, principal, callback.text),
        ordered: orderedFor(call, target),
        secrets: new SigningSecrets({ secret: request.delivery.secret }),
      });
      let release: (() => void) | undefined;
      subscription.establishing = new Promise((resolve) => (release = resolve));
      const established = (): void => {
        subscription.establishing = undefined;
        release?.();
      };
      return { subscription, established, target, details };
    },
  });
}

/** A new subscription: consent, hooks, then delivery. Whatever fails leaves nothing behind. */
async function establish(call: SubscribeCall, { subscription, target }: Admitted): Promise<SubscribeResult> {
  const { core, webhooks, request, callback } = call;
  const { type } = target;
  try {
    await webhooks.verify(subscription, callback);
    webhooks.markConsented(subscription);
    assertLive(subscription);
    await beginWebhookSubscription(core, subscription);
    assertLive(subscription);
    const notBeforeMs = request.maxAgeMs === undefined ? undefined : core.clock.now() - request.maxAgeMs;
    const { cursor, truncated, start } = await openWebhookDelivery(core, type, subscription, request.cursor, {
      notBeforeMs,
    });
    assertLive(subscription);
    if (truncated) subscription.truncatedFor = request.cursor;
    webhooks.grant(subscription, request.ttlMs);
    await webhooks.persistence?.save(subscription);
    assertLive(subscription);
    // After the answer had its turn: an event that overtakes it meets a receiver that does not know the id yet.
    core.clock.setImmediate(start);
    return resultOf(subscription, cursor, truncated);
  } catch (error) {
    assertLive(subscription);
    subscription.end();
    throw error;
  }
}

/** A live subscription: it gets its time and the secret anew, and delivery goes on (SUB-10, SUB-11, SUB-13). */
async function refresh(call: SubscribeCall, { subscription, target, details }: Admitted): Promise<SubscribeResult> {
  const { webhooks, request } = call;
  subscription.ordered = orderedFor(call, target);
  webhooks.replaceSecret(subscription, request.delivery.secret);
  webhooks.grant(subscription, request.ttlMs);
  await webhooks.persistence?.save(subscription);
  assertLive(subscription);
  // Only now, since a gap is told once: not with an answer that is an error.
  const { gapAfter } = subscription;
  const { status, truncated, cursor } = subscription.refresh(details.context, request.cursor);
  if (subscription.gapAfter !== gapAfter) webhooks.persistence?.touch(subscription);
  return resultOf(subscription, cursor, truncated, status);
}

/** Whoever ended the subscription meanwhile decides how the request is answered, whatever came of that. */
function assertLive(subscription: WebhookSubscription): void {
  if (subscription.ended) throw subscription.terminated ?? internalError('The subscription has ended meanwhile');
}

/** What the client asks for in `_meta`, where servers that do not know it ignore it (ORDER-06). */
function readOrdered({ _meta }: SubscribeParams): boolean | undefined {
  const asked = _meta?.[ORDERED_META_KEY];
  if (asked === undefined || typeof asked === 'boolean') return asked;
  throw invalidParams(`_meta[${JSON.stringify(ORDERED_META_KEY)}] must be true or false`);
}

function orderedFor(
  { webhooks, caller, principal, request, ordered, callback }: SubscribeCall,
  target: Target,
): boolean {
  const { orderedWebhooks = false } = target.compiled.definition;
  return webhooks.orderedFor(caller, { principal, url: callback.text, name: request.name }, ordered, orderedWebhooks);
}

function resultOf(
  { id, refreshBeforeMs, ordered }: WebhookSubscription,
  cursor: string | null,
  truncated: boolean,
  deliveryStatus?: DeliveryStatus,
): SubscribeResult {
  return {
    resultType: 'complete',
    id,
    refreshBefore: refreshBeforeMs === null ? null : new Date(refreshBeforeMs).toISOString(),
    cursor,
    truncated,
    ...(ordered ? { _meta: { [ORDERED_META_KEY]: true } } : {}),
    // Nothing was delivered before the first subscribe (OP-31).
    ...(deliveryStatus === undefined ? {} : { deliveryStatus }),
  };
}
