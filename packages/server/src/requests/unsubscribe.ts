import { deriveSubscriptionId, forbidden, notFound, unsubscribeParamsSchema } from '@mcp-events/protocol';
import type { Caller } from '../context.ts';
import type { Core } from '../core.ts';
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
  await core.restored(name);
  const { namespace, registry } = core;
  // The principal is part of the id, so nobody else's subscription can be addressed (UNSUB-01).
  const id = deriveSubscriptionId({ namespace, principal, name, arguments: args, url: delivery.url });
  const subscription = registry.get(id);
  if (subscription instanceof WebhookSubscription) subscription.end();
  // Deployed peers of the older dialect unsubscribe without knowing whether they are subscribed (DIALECT-11).
  else if (caller.dialect === 'final') throw notFound('subscription', 'There is no such subscription');
  return { resultType: 'complete' };
}
