import {
  decodeWebhookSecret,
  signWebhook,
  SUBSCRIPTION_ID_HEADER,
  WEBHOOK_ID_HEADER,
  WEBHOOK_SIGNATURE_HEADER,
  WEBHOOK_TIMESTAMP_HEADER,
} from '@mcp-events/protocol';
import type { Clock } from '../../src/index.ts';

/** What a server posts to a callback. */
export interface Post {
  url: string;
  secret: string;
  webhookId: string;
  subscriptionId: string;
  body: object;
}

/** The request a server makes of it. */
export function signedPost({ url, secret, webhookId, subscriptionId, body }: Post, clock: Clock): Request {
  const text = JSON.stringify(body);
  const timestampSeconds = Math.floor(clock.now() / 1_000);
  const message = { id: webhookId, timestampSeconds, body: text };
  return new Request(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      [WEBHOOK_ID_HEADER]: webhookId,
      [WEBHOOK_TIMESTAMP_HEADER]: String(timestampSeconds),
      [WEBHOOK_SIGNATURE_HEADER]: signWebhook(decodeWebhookSecret(secret), message),
      [SUBSCRIPTION_ID_HEADER]: subscriptionId,
    },
    body: text,
  });
}
