import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { nodeHandler } from '@mcp-events/client/node';
import { WebhookReceiver } from '@mcp-events/client/receiver';

/** A receiver that takes webhooks. */
export interface ReceiverServer {
  readonly receiver: WebhookReceiver;
  /** Where servers reach it. */
  readonly url: string;
}

/** Takes webhooks over https on a free port of this machine. */
export async function serveReceiver(certificatePath: string, keyPath: string): Promise<ReceiverServer> {
  const receiver = new WebhookReceiver();
  const [cert, key] = await Promise.all([readFile(certificatePath), readFile(keyPath)]);
  const server = createServer({ cert, key }, nodeHandler(receiver.handle));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return { receiver, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/hooks` };
}
