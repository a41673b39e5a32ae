import {
  SUBSCRIPTION_ID_HEADER,
  WEBHOOK_ID_HEADER,
  WEBHOOK_SIGNATURE_HEADER,
  WEBHOOK_TIMESTAMP_HEADER,
} from '@mcp-events/protocol';

/** What stands outside of a post's body (DELIV-02). */
export interface DeliveryHeaders {
  webhookId: string;
  timestamp: string;
  signatures: string;
  subscriptionId: string;
}

/** Undefined unless each of the four is there exactly once: which of two values would be the signed one? */
export function deliveryHeaders(headers: Headers): DeliveryHeaders | undefined {
  const webhookId = single(headers, WEBHOOK_ID_HEADER);
  const timestamp = single(headers, WEBHOOK_TIMESTAMP_HEADER);
  const signatures = single(headers, WEBHOOK_SIGNATURE_HEADER);
  const subscriptionId = single(headers, SUBSCRIPTION_ID_HEADER);
  if (webhookId === undefined || timestamp === undefined) return undefined;
  if (signatures === undefined || subscriptionId === undefined) return undefined;
  return { webhookId, timestamp, signatures, subscriptionId };
}

/** The Fetch API joins the values of a repeated header with a comma and a space. */
function single(headers: Headers, name: string): string | undefined {
  const value = headers.get(name);
  return value === null || value === '' || value.includes(', ') ? undefined : value;
}
