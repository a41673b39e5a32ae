import { forbidden, notFound, subscribeParamsSchema, unsubscribeParamsSchema, unsupported } from '@mcp-events/protocol';
import type { Caller } from '../context.ts';
import type { Core } from '../core.ts';
import { parseParams } from './target.ts';

/** Answers `events/subscribe`: no event type offers webhook delivery yet, so all that can be said is why not. */
export function handleSubscribe(core: Core, caller: Caller, params: unknown): never {
  if (caller.principal === undefined) throw forbidden('unauthenticated');
  const request = parseParams(subscribeParamsSchema, params);
  core.catalog.require(request.name);
  throw unsupported('deliveryMode', { value: 'webhook' });
}

/** Answers `events/unsubscribe`: there is never a subscription to end (UNSUB-02, DIALECT-11). */
export function handleUnsubscribe(caller: Caller, params: unknown): { resultType: 'complete' } {
  if (caller.principal === undefined) throw forbidden('unauthenticated');
  parseParams(unsubscribeParamsSchema, params);
  if (caller.dialect === 'sketch') return { resultType: 'complete' };
  throw notFound('subscription', 'There is no such subscription');
}
