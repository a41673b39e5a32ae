import {
  Methods,
  ORDERED_META_KEY,
  type SubscribeResult,
  isEventsError,
  subscribeResultSchema,
} from '@mcp-events/protocol';
import { EventsClientError } from '../../errors.ts';
import type { DeliveryContext } from '../deliveryLoop.ts';
import { untilAborted } from '../../untilAborted.ts';
import { withoutNulls } from '../withoutNulls.ts';
import type { Callback } from './callback.ts';

/** What it takes to ask the server about a subscription, whether or not it is being delivered. */
export type RequestContext = Pick<DeliveryContext, 'name' | 'arguments' | 'connection' | 'clock' | 'onWarning'>;

/**
 * `events/subscribe`: makes the subscription, refreshes it, or makes it again after it lapsed; the server tells these
 * apart (SUB-05, SUB-12). The cursor is sent each time, since only the server knows whether it needs it (CLIENT-06).
 */
export async function subscribe(
  context: DeliveryContext,
  callback: Callback,
  secret: string,
  signal: AbortSignal,
): Promise<SubscribeResult> {
  const { name, arguments: args, maxAgeMs, ordered, buffer } = context;
  const { ttlMs } = callback.options;
  await untilAborted(callback.assertOwn(), signal);
  const answer = await context.connection.request(
    Methods.subscribe,
    {
      name,
      arguments: args,
      // OP-06: some servers want the mode here, and none refuses it.
      delivery: { mode: 'webhook', url: callback.url, secret },
      cursor: buffer.resumeCursor,
      ...(maxAgeMs !== undefined && { maxAgeMs }),
      ...(ttlMs !== undefined && { ttlMs }),
      ...(ordered !== undefined && { _meta: { [ORDERED_META_KEY]: ordered } }),
    },
    { signal },
  );
  // Null is no expiry, and no position.
  const result = subscribeResultSchema.safeParse(withoutNulls(answer, ['refreshBefore', 'cursor']));
  if (result.success) return result.data;
  throw new EventsClientError(
    'MALFORMED_ANSWER',
    `The server's answer to ${Methods.subscribe} of "${name}" is not a subscribe result.`,
  );
}

/** `events/unsubscribe`. That there was nothing to end is as good (CLIENT-08, OP-23). */
export async function unsubscribe(context: RequestContext, callback: Callback, signal: AbortSignal): Promise<void> {
  const { name, arguments: args, connection } = context;
  await untilAborted(callback.assertOwn(), signal);
  // OP-06: some servers want the mode here as well. Without it they would refuse, and go on for as long as they granted.
  const params = { name, arguments: args, delivery: { mode: 'webhook', url: callback.url } };
  try {
    await connection.request(Methods.unsubscribe, params, { signal });
  } catch (error) {
    if (!isEventsError(error) || error.errorName !== 'NotFound') throw error;
  }
  callback.mayBeLive = false;
}
