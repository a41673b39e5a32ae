import {
  deriveSubscriptionId,
  forbidden,
  internalError,
  notFound,
  unsubscribeParamsSchema,
  unsupported,
} from '@mcp-events/protocol';
import type { Caller } from '../context.ts';
import type { Core } from '../core.ts';
import type { EndedSubscription } from '../delivery/webhook/persistence.ts';
import { WebhookSubscription } from '../delivery/webhook/webhookSubscription.ts';
import { parseParams } from './target.ts';

/**
 * Answers `events/unsubscribe`. The arguments are not checked against the schema, which may have changed (UNSUB-03), nor
 * is the author asked: one's own subscription may always be ended.
 */
export async function handleUnsubscribe(
  core: Core,
  caller: Caller,
  params: unknown,
): Promise<{ resultType: 'complete' }> {
  const { principal } = caller;
  if (principal === undefined) throw forbidden('unauthenticated');
  const { name, arguments: args, delivery } = parseParams(unsubscribeParamsSchema, params);
  const { mode = 'webhook', url } = delivery;
  if (mode !== 'webhook') throw unsupported('deliveryMode', { value: mode });
  const { namespace, registry, webhooks } = core;
  // The principal is part of the id, so nobody else's subscription can be addressed (UNSUB-01).
  const id = deriveSubscriptionId({ namespace, principal, name, arguments: args, url });
  core.subscribeCalls.overtake(id);
  await core.recordsRead();
  const persistence = webhooks?.persistence;
  // An end that is being stored may still fail.
  if (registry.get(id) === undefined) await persistence?.settled(id);
  // What ends in a shutdown comes back with the next run.
  if (core.closed) throw internalError('The server is shutting down');
  const isStored = await endOf(core, { id, name, principal });
  if (isStored === undefined && (webhooks?.tellsUnknown(caller, principal, url) ?? caller.dialect === 'final')) {
    throw notFound('subscription', 'There is no such subscription');
  }
  // A crash after the answer would bring it back.
  if (isStored === false) throw internalError('The end of the subscription could not be stored; ask again');
  return { resultType: 'complete' };
}

/** Ends a subscription, live or stored. `undefined` when there is none; else resolves with whether that is stored. */
function endOf({ registry, webhooks, endStored }: Core, ended: EndedSubscription): Promise<boolean> | undefined {
  const { id, name } = ended;
  const subscription = registry.get(id);
  if (subscription instanceof WebhookSubscription) return subscription.end('unsubscribed');
  // One whose end could not be stored so far is not known any more but to what tries again.
  return (
    endStored(name, id) ?? (webhooks?.persistence?.isWaiting(id) === true ? webhooks.forgetRecord(ended) : undefined)
  );
}
