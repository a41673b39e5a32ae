import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Dial } from '@mcp-events/server';
import { memoryConnection, refusedConnection, silentConnection } from './memorySocket.ts';

/** One request as it came in. */
export interface RecordedRequest {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies of every shape
  readonly body: any;
}

/** What the endpoint does with a request: a status, a whole answer, nothing at all, or a reset. */
export type Answer =
  | number
  | { readonly status: number; readonly body?: string; readonly headers?: Readonly<Record<string, string>> }
  | 'hang'
  | 'reset';

/** An HTTP endpoint in memory that records what it gets and answers as it is told. */
export class Recorder {
  /** Everything that came in, in order. */
  readonly requests: RecordedRequest[] = [];
  /** Addresses that were dialled. */
  readonly dialled: string[] = [];
  /** What becomes of the next connections. */
  network: 'up' | 'refusing' | 'silent' = 'up';
  /** How requests are answered. Challenges are echoed unless this says otherwise. */
  answer: (request: RecordedRequest) => Answer | undefined = () => undefined;
  readonly #server: Server;
  readonly #held: { readonly request: RecordedRequest; readonly response: ServerResponse }[] = [];

  constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
    // The clock of the tests stands still; nothing here may end a connection by itself.
    this.#server.keepAliveTimeout = 0;
  }

  readonly dial: Dial = (address, port) => {
    this.dialled.push(`${address}:${port}`);
    if (this.network === 'refusing') return refusedConnection();
    if (this.network === 'silent') return silentConnection();
    const { client, server } = memoryConnection();
    this.accept(server, port);
    return client;
  };

  /** Serves a connection to this port. */
  accept(socket: Socket, _port: number): void {
    this.#server.emit('connection', socket);
  }

  /** Posts that are no challenges. */
  get deliveries(): RecordedRequest[] {
    return this.requests.filter(({ method, body }) => method === 'POST' && body?.type !== 'verification');
  }

  get challenges(): RecordedRequest[] {
    return this.requests.filter(({ body }) => body?.type === 'verification');
  }

  /** Occurrences, without envelopes. */
  get events(): RecordedRequest[] {
    return this.deliveries.filter(({ body }) => body?.type === undefined);
  }

  envelopes(type: string): RecordedRequest[] {
    return this.deliveries.filter(({ body }) => body?.type === type);
  }

  /** What hangs at the moment. */
  get held(): readonly RecordedRequest[] {
    return this.#held.map(({ request }) => request);
  }

  /** Answers what hangs, or what of it fits. */
  release(answer: Exclude<Answer, 'hang'> = 204, wanted: (request: RecordedRequest) => boolean = () => true): void {
    for (const held of this.#held.splice(0)) {
      if (wanted(held.request)) respond(held.response, answer);
      else this.#held.push(held);
    }
  }

  async #take(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of message) chunks.push(chunk as Buffer);
    } catch {
      // The sender went away in the middle.
      return;
    }
    const text = Buffer.concat(chunks).toString();
    const request: RecordedRequest = {
      method: message.method ?? '',
      host: message.headers.host ?? '',
      path: message.url ?? '',
      headers: message.headers as Record<string, string>,
      text,
      body: parse(text),
    };
    this.requests.push(request);
    const answer = this.answer(request) ?? defaultAnswer(request);
    if (answer === 'hang') this.#held.push({ request, response });
    else respond(response, answer);
  }
}

function defaultAnswer({ method, body }: RecordedRequest): Answer {
  if (method === 'GET') return 404;
  if (body?.type !== 'verification') return 204;
  return { status: 200, body: JSON.stringify({ challenge: body.challenge }) };
}

function respond(response: ServerResponse, answer: Exclude<Answer, 'hang'>): void {
  if (answer === 'reset') {
    response.socket?.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
    return;
  }
  const { status, body, headers } = typeof answer === 'number' ? { status: answer, body: '', headers: {} } : answer;
  response.writeHead(status, headers).end(body);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
