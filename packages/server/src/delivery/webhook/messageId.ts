import { hash } from 'node:crypto';

/**
 * The `webhook-id` of an event, as one subscription is sent it (DIALECT-04): the same whenever and however often it is
 * sent, also by a later run of the server or after the subscription was made anew, so that receivers which know messages by
 * it take it once. Neither the event's own id nor that of another subscription can be told from it.
 */
export function eventMessageId(subscriptionId: string, eventId: string): string {
  // 128 bits. Subscription ids have no line breaks, so no two pairs make one text.
  return `msg_event_${hash('sha256', `${subscriptionId}\n${eventId}`).slice(0, 32)}`;
}
