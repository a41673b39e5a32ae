import { missingOf, orderOf, type VerificationEnvelope, type WebhookBody } from '@mcp-events/protocol';
import type { DeliveryHeaders } from './deliveryHeaders.ts';
import type { WebhookMessage } from './registration.ts';

/** A post that is not a challenge, as the application gets it. */
export function messageOf(
  body: Exclude<WebhookBody, VerificationEnvelope>,
  { subscriptionId, webhookId }: DeliveryHeaders,
  bytes: number,
): WebhookMessage {
  const head = { subscriptionId, webhookId };
  switch (body.type) {
    case 'gap': {
      const missing = missingOf(body._meta);
      return { kind: 'gap', ...head, cursor: body.cursor, ...(missing.length === 0 ? {} : { missing }) };
    }
    case 'terminated':
      return { kind: 'terminated', ...head, error: body.error };
    case undefined:
      return { kind: 'event', ...head, event: body, order: orderOf(body._meta), bytes };
  }
}
