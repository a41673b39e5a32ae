import {
  deriveSubscriptionId,
  forbidden,
  invalidParams,
  ORDERED_META_KEY,
  subscribeParamsSchema,
  unsupported,
} from '@mcp-events/protocol';
import type { DeliveryStatus, SubscribeParams, SubscribeResult } from '@mcp-events/protocol';
import type { Caller } from '../context.ts';
import type { Core } from '../core.ts';
import { renew } from '../delivery/webhook/renewal.ts';
import { SigningSecrets } from '../delivery/webhook/signing/signingSecrets.ts';
import type { CallbackUrl } from '../delivery/webhook/verification/callbackUrl.ts';
import type { Webhooks } from '../delivery/webhook/webhooks.ts';
import { WebhookSubscription } from '../delivery/webhook/webhookSubscription.ts';
import type { SubscriptionDetails } from '../subscription/subscription.ts';
import { boundedCursor } from './bounds.ts';
import type { SubscribeCallUnderWay } from './subscribeCalls.ts';
import { admit, parseParams } from './target.ts';
import type { Target } from './target.ts';
import { addWebhookSubscription, openWebhookSubscription } from './webhookSubscriptions.ts';

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
  /** Of the subscription. */
  readonly id: string;
  readonly underWay: SubscribeCallUnderWay;
}

/** The subscription a call is about, which it found or made. */
interface Admitted {
  readonly subscription: WebhookSubscription;
  /** Of a new subscription: lets those go on who wait for it. */
  readonly established?: () => void;
  /** Of a new one: where the one stood whose place it took, which was stored, or not to be delivered to as it was. */
  readonly left?: ReturnType<Core['storedPosition']>;
  readonly target: Target;
  readonly details: SubscriptionDetails;
}

/** Answers `events/subscribe`: an upsert by principal, URL, name and arguments (SUB-02, SUB-05). */
export async function handleSubscribe(core: Core, caller: Caller, params: unknown): Promise<SubscribeResult> {
  const { principal } = caller;
  if (principal === undefined) throw forbidden('unauthenticated');
  const parsed = parseParams(subscribeParamsSchema, params);
  const request = { ...parsed, cursor: boundedCursor(parsed.cursor) };
  const ordered = readOrdered(request);
  const { mode = 'webhook', url } = request.delivery;
  const { webhooks } = core;
  if (mode !== 'webhook' || webhooks === undefined) {
    core.catalog.require(request.name);
    throw unsupported('deliveryMode', { value: mode });
  }
  const callback = webhooks.readCallbackUrl(url);
  const { name, arguments: args } = request;
  const id = deriveSubscriptionId({ namespace: core.namespace, principal, name, arguments: args, url });
  const underWay = core.subscribeCalls.begin(id);
  try {
    // Not for those of others: their hooks may take their time.
    await core.restored(name, id);
    return await subscribeOrRefresh({ core, webhooks, caller, principal, request, ordered, callback, id, underWay });
  } finally {
    underWay.end();
  }
}

async function subscribeOrRefresh(call: SubscribeCall): Promise<SubscribeResult> {
  for (;;) {
    const admitted = await admitSubscription(call);
    const { subscription, established } = admitted;
    if (established !== undefined) return establish(call, admitted).finally(established);
    // Whoever subscribed first may still be at it. If that fails, this call has a secret and a chance of its own.
    await subscription.establishing;
    const result = isOutdated(call, subscription) ? undefined : await refresh(call, admitted);
    // One that has ended meanwhile is made anew, as it would be had this call come a moment later; not if its client ended it.
    if (result !== undefined) return result;
  }
}

function isOutdated({ webhooks, callback }: SubscribeCall, { trusted, consent }: WebhookSubscription): boolean {
  return (trusted && !callback.trusted) || (consent !== undefined && !webhooks.holds(consent, callback));
}

function admitSubscription(call: SubscribeCall): Promise<Admitted> {
  const { core, webhooks, caller, principal, request, callback, id } = call;
  const { name } = request;
  return admit(core, caller, 'webhook', request, {
    idFor: () => id,
    admit: (target, details) => {
      call.underWay.assertCurrent();
      const known = core.registry.get(id);
      let left = core.storedPosition(name, id);
      if (known instanceof WebhookSubscription) {
        if (known.establishing !== undefined || !isOutdated(call, known)) {
          return { subscription: known, target, details };
        }
        // An origin that is not allowed any more is treated like any other from now on, which asks for its consent. What it
        // misses is not lost by that: the new one goes on where it was.
        left = { cursor: known.position, gapAfter: known.gapAfter };
        void known.end('outdated');
      }
      if (caller.isTokens) webhooks.warnOfTokens(name);
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
        reserved: core.reservedPlaces(principal, name, id),
      });
      let release: (() => void) | undefined;
      subscription.establishing = new Promise((resolve) => (release = resolve));
      const established = (): void => {
        subscription.establishing = undefined;
        release?.();
      };
      return { subscription, established, left, target, details };
    },
  });
}

/** A new subscription: consent, hooks, then delivery. Whatever fails leaves nothing behind. */
async function establish(call: SubscribeCall, { subscription, target, left }: Admitted): Promise<SubscribeResult> {
  const { core, webhooks, request, callback } = call;
  const { type } = target;
  // Its client refreshes what it was granted, and does not say where it is: "from now" would lose what it missed (OP-13).
  const from = request.cursor ?? left?.cursor ?? null;
  const isSilent = request.cursor === null;
  const maxAgeMs = isSilent ? undefined : request.maxAgeMs;
  const owesGap = isSilent && left !== undefined && left.gapAfter !== null;
  try {
    const opening = { core, webhooks, type, subscription, callback, cursor: from, maxAgeMs };
    const opened = await openWebhookSubscription(opening);
    const { cursor, start } = opened;
    const truncated = opened.truncated || owesGap;
    if (truncated) subscription.truncatedFor = from;
    webhooks.grant(subscription, request.ttlMs);
    await webhooks.persistence?.save(subscription);
    subscription.assertLive();
    // After the answer had its turn: an event that overtakes it meets a receiver that does not know the id yet.
    core.clock.setImmediate(start);
    return resultOf(subscription, cursor, truncated);
  } catch (error) {
    subscription.assertLive();
    void subscription.end('refused');
    throw error;
  }
}

/**
 * A live subscription: it gets its time and the secret anew, and delivery goes on (SUB-10, SUB-11, SUB-13). `undefined` when
 * it has ended.
 */
async function refresh(call: SubscribeCall, { subscription, target }: Admitted): Promise<SubscribeResult | undefined> {
  const { webhooks, request } = call;
  if (subscription.ended) return undefined;
  const { delivery, ttlMs } = request;
  await renew(webhooks, subscription, { secret: delivery.secret, ttlMs, ordered: orderedFor(call, target) });
  if (subscription.terminated !== undefined) throw subscription.terminated;
  if (subscription.ended) return undefined;
  // Only now, since a gap is told once: not with an answer that is an error.
  const { gapAfter } = subscription;
  const { status, truncated, cursor } = subscription.refresh(request.cursor);
  if (subscription.gapAfter !== gapAfter) webhooks.persistence?.touch(subscription);
  return resultOf(subscription, cursor, truncated, status);
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
