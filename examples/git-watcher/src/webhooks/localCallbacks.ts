import { readFile } from 'node:fs/promises';
import type { WebhookOptions } from '@mcp-events/server';

/** Where webhooks of this machine are described. */
export interface LocalCallbacks {
  /** Certificate, as PEM, that vouches for the receivers. */
  readonly caPath: string;
  /** Encrypt the signing secrets of subscriptions in the storage: 32 bytes in base64 each, the newest first. */
  readonly secretKeys: readonly string[];
}

/** Webhooks to receivers on this machine, and to nowhere else. */
export async function localCallbacks({ caPath, secretKeys }: LocalCallbacks): Promise<WebhookOptions> {
  return {
    allowedOrigins: (origin) => origin.startsWith('https://127.0.0.1:'),
    allowUrl: () => false,
    egress: { tls: { ca: await readFile(caPath, 'utf8') } },
    secretKeys,
  };
}
