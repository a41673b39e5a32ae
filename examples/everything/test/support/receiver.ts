import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A message that was posted to a callback. */
export interface Posted {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly body: any;
}

/** Callbacks of one origin on this machine. Knows nothing of how messages are meant. */
export class Receiver {
  readonly origin: string;
  /** How posts are answered; challenges are echoed. */
  status = 204;
  /** Everything that came in, in order. */
  readonly posted: Posted[] = [];
  readonly #untaken: Posted[] = [];
  readonly #waiting: (() => void)[] = [];

  private constructor(origin: string) {
    this.origin = origin;
  }

  /** Listens until the end of the test. */
  static async open(): Promise<Receiver> {
    const server = createServer((request, response) => {
      if (request.method !== 'POST') {
        response.writeHead(404).end();
        return;
      }
      void textOf(request).then((text) => {
        const { url: path = '', headers } = request;
        const body = JSON.parse(text);
        receiver.#take({ path, headers: headers as Record<string, string>, text, body });
        if (body.type === 'verification') response.writeHead(200).end(JSON.stringify({ challenge: body.challenge }));
        else response.writeHead(receiver.status).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const receiver = new Receiver(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    return receiver;
  }

  /** The first message for a subscription that matches and was not taken yet, or the next that arrives. */
  async next(id: string, matches: (message: Posted) => boolean = () => true): Promise<Posted> {
    for (;;) {
      const index = this.#untaken.findIndex(
        (message) => message.headers['x-mcp-subscription-id'] === id && matches(message),
      );
      const [found] = index === -1 ? [] : this.#untaken.splice(index, 1);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #take(message: Posted): void {
    this.posted.push(message);
    this.#untaken.push(message);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Whether the message was signed with this secret. */
export function isSignedWith({ headers, text }: Posted, secret: string): boolean {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`;
  const signature = `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
  return headers['webhook-signature']?.split(' ').includes(signature) === true;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
