import { readFile } from 'node:fs/promises';
import type { WebhookOptions } from '@mcp-events/server';
import { subscriptionFile } from './subscriptionFile.ts';

/** Where webhooks of this machine are described. */
export interface LocalCallbacks {
  /** Certificate, as PEM, that vouches for the receivers. */
  readonly caPath: string;
  /** Where their subscriptions are kept. */
  readonly subscriptionsPath: string;
}

/** Webhooks to receivers on this machine, and to nowhere else. */
export async function localCallbacks({ caPath, subscriptionsPath }: LocalCallbacks): Promise<WebhookOptions> {
  return {
    allowedOrigins: (origin) => origin.startsWith('https://127.0.0.1:'),
    allowUrl: () => false,
    egress: { tls: { ca: await readFile(caPath, 'utf8') } },
    store: subscriptionFile(subscriptionsPath),
  };
}
