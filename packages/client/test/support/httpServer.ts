import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EXTENSION_ID, Methods, Notifications, SUBSCRIPTION_ID_META_KEY } from '@mcp-events/protocol';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { eventsClientCapabilities } from '../../src/index.ts';
import { batch, eventType } from './rawServer.ts';

export interface HttpRequest {
  verb: string;
  headers: IncomingMessage['headers'];
  body: any;
}

/** Waits, without sleeping, until sockets have brought about what is expected. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** A hand-written Streamable HTTP server: node:http and SSE frames, nothing else. */
export class HttpServer {
  readonly received: HttpRequest[] = [];
  /** The open events/stream responses, in order of arrival. */
  readonly streams: { id: string | number; response: ServerResponse; closed: boolean }[] = [];
  /** Whether SSE frames carry ids, which invites transports to resume by Last-Event-ID. */
  numbered = false;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<HttpServer> {
    const http = createServer((request, response) => void self.#handle(request, response));
    const self = new HttpServer(http);
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    return self;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/mcp`;
  }

  async client(): Promise<Client> {
    const client = new Client(
      { name: 'test', version: '1.0.0' },
      { versionNegotiation: { mode: 'auto' }, capabilities: eventsClientCapabilities },
    );
    await client.connect(
      new StreamableHTTPClientTransport(new URL(this.url), {
        reconnectionOptions: {
          maxRetries: 0,
          initialReconnectionDelay: 1,
          maxReconnectionDelay: 1,
          reconnectionDelayGrowFactor: 1,
        },
      }),
    );
    return client;
  }

  requests(method: string): HttpRequest[] {
    return this.received.filter(({ body }) => body?.method === method);
  }

  notify(method: string, params: Record<string, unknown>): void {
    const stream = this.streams.at(-1)!;
    const _meta = { [SUBSCRIPTION_ID_META_KEY]: stream.id };
    const frame = JSON.stringify({ jsonrpc: '2.0', method, params: { ...params, _meta } });
    stream.response.write(`${this.numbered ? 'id: 1\n' : ''}event: message\ndata: ${frame}\n\n`);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const body = text === '' ? undefined : JSON.parse(text);
    this.received.push({ verb: request.method!, headers: request.headers, body });
    if (body?.id === undefined) {
      response.writeHead(request.method === 'POST' ? 202 : 405).end();
      return;
    }
    if (body.method === Methods.stream) {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      const stream = { id: body.id, response, closed: false };
      this.streams.push(stream);
      response.on('close', () => (stream.closed = true));
      // `subscribe()` waits for that.
      if (body.params.cursor === null) this.notify(Notifications.active, { cursor: null });
      return;
    }
    const results: Record<string, unknown> = {
      'server/discover': {
        supportedVersions: ['2026-07-28'],
        capabilities: { extensions: { [EXTENSION_ID]: {} } },
        ttlMs: 0,
        cacheScope: 'private',
      },
      [Methods.list]: { events: [eventType('incident.opened', ['push', 'poll'])] },
      [Methods.poll]: batch([], 'c0'),
    };
    const result = { resultType: 'complete', ...(results[body.method] as object) };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: body.id, result }));
  }
}
