import { hash } from 'node:crypto';
import type { Dialect } from '@mcp-events/protocol';

/**
 * The `webhook-id` of an event, as one subscription is sent it (DIALECT-04): the same whenever and however often it is
 * sent, also by a later run of the server or after the subscription was made anew, so that receivers which know messages by
 * it take it once. Neither the event's own id nor that of another subscription can be told from it.
 */
function eventMessageId(subscriptionId: string, eventId: string): string {
  // 128 bits. Subscription ids have no line breaks, so no two pairs make one text.
  return `msg_event_${hash('sha256', `${subscriptionId}\n${eventId}`).slice(0, 32)}`;
}

/** The `webhook-id` of an event in the subscription's dialect: the older one's peers insist on the event's own id (DIALECT-05). */
export function deliveryMessageId(
  { dialect, id }: { readonly dialect: Dialect; readonly id: string },
  { eventId }: { readonly eventId: string },
): string {
  return dialect === 'sketch' ? eventId : eventMessageId(id, eventId);
}
