import { EXTENSION_ID, Methods, Notifications, SUBSCRIPTION_ID_META_KEY } from '@mcp-events/protocol';
import { Client, type JSONRPCMessage, type Transport } from '@modelcontextprotocol/client';
import { eventsClientCapabilities } from '../../src/index.ts';
import { toJson } from '../../src/receiver/toJson.ts';

export type RequestId = string | number;

export interface RawRequest {
  id: RequestId;
  method: string;
  params: Record<string, any>;
}

/** Thrown by a handler: answered as this JSON-RPC error. */
export class RpcFailure extends Error {
  readonly rpc: { code: number; message: string; data?: unknown };

  constructor(code: number, data?: unknown, message = 'refused') {
    super(message);
    this.rpc = { code, message, data };
  }
}

/** Returned by a handler that answers later, or never. */
export const pending = Symbol('pending');

type Handler = (request: RawRequest) => unknown;

/** A hand-written JSON-RPC server behind an in-memory transport: it sends whatever a test tells it to, right or wrong. */
export class RawServer {
  /** Everything received, in order. */
  readonly received: RawRequest[] = [];
  readonly cancelled: RequestId[] = [];
  capabilities: Record<string, unknown> = { extensions: { [EXTENSION_ID]: {} } };
  types: Record<string, unknown>[] = [eventType('incident.opened', ['push', 'poll'])];
  /** Whether results carry resultType. */
  withResultType = true;
  /** Applied to outgoing messages, to break them. */
  #transport: InMemoryEnd | undefined;
  readonly #handlers = new Map<string, Handler>();

  constructor() {
    this.on('server/discover', () => ({
      supportedVersions: ['2026-07-28'],
      capabilities: this.capabilities,
      ttlMs: 0,
      cacheScope: 'private',
    }));
    this.on(Methods.list, () => ({ events: this.types }));
    this.on(Methods.stream, this.accepts);
  }

  /**
   * Accepts a stream at once, where it asks to go on from: `subscribe()` waits for that. A test goes on from there with what
   * it wants to send, an `active` with another cursor for example.
   */
  readonly accepts = (request: RawRequest): typeof pending => {
    new RawStream(this, request).active(request.params['cursor'] as string | null);
    return pending;
  };

  on(method: string, handler: Handler): void {
    this.#handlers.set(method, handler);
  }

  /** A fresh transport to this server; the one before counts as lost. */
  transport(): Transport {
    this.#transport = new InMemoryEnd((message) => this.#receive(message as any));
    return this.#transport;
  }

  /** A connected SDK client. */
  async client(): Promise<Client> {
    const client = new Client(
      { name: 'test', version: '1.0.0' },
      { versionNegotiation: { mode: 'auto' }, capabilities: eventsClientCapabilities },
    );
    await client.connect(this.transport());
    return client;
  }

  /** The process dies: the transport closes without further words. */
  async die(): Promise<void> {
    await this.#transport?.close();
  }

  requests(method: string): RawRequest[] {
    return this.received.filter((request) => request.method === method);
  }

  /** The stream request that came last. */
  stream(): RawStream {
    const request = this.requests(Methods.stream).at(-1);
    if (request === undefined) throw new Error('No stream was opened.');
    return new RawStream(this, request);
  }

  streams(): RawStream[] {
    return this.requests(Methods.stream).map((request) => new RawStream(this, request));
  }

  send(message: unknown): void {
    this.#transport?.deliver(message);
  }

  answer(id: RequestId, result: Record<string, unknown>): void {
    this.send({ jsonrpc: '2.0', id, result: this.withResultType ? { resultType: 'complete', ...result } : result });
  }

  fail(id: RequestId, error: unknown): void {
    this.send({ jsonrpc: '2.0', id, error });
  }

  #receive(message: any): void {
    if (message.method === 'notifications/cancelled') this.cancelled.push(message.params.requestId);
    if (message.id === undefined || message.method === undefined) return;
    const request: RawRequest = { id: message.id, method: message.method, params: message.params };
    this.received.push(request);
    const handler = this.#handlers.get(request.method);
    if (handler === undefined) {
      this.fail(request.id, { code: -32601, message: 'Method not found' });
      return;
    }
    try {
      const result = handler(request);
      if (result !== pending) this.answer(request.id, result as Record<string, unknown>);
    } catch (error) {
      this.fail(request.id, (error as RpcFailure).rpc);
    }
  }
}

/** One open events/stream request, from the server's side. */
export class RawStream {
  readonly request: RawRequest;
  readonly #server: RawServer;

  constructor(server: RawServer, request: RawRequest) {
    this.#server = server;
    this.request = request;
  }

  notify(method: string, params: Record<string, unknown>): void {
    const meta = { ...(params['_meta'] as object | undefined), [SUBSCRIPTION_ID_META_KEY]: this.request.id };
    this.#server.send({ jsonrpc: '2.0', method, params: { ...params, _meta: meta } });
  }

  active(cursor: string | null, truncated = false): void {
    this.notify(Notifications.active, { cursor, truncated });
  }

  event(eventId: string, cursor?: string | null, more: Record<string, unknown> = {}): void {
    this.notify(Notifications.event, { ...occurrence(eventId), cursor, ...more });
  }

  heartbeat(cursor: string | null): void {
    this.notify(Notifications.heartbeat, { cursor });
  }

  error(code: number, data?: unknown): void {
    this.notify(Notifications.error, { error: { code, message: 'trouble', data } });
  }

  terminated(code: number, data?: unknown): void {
    this.notify(Notifications.terminated, { error: { code, message: 'over', data } });
  }

  end(): void {
    this.#server.answer(this.request.id, { _meta: { [SUBSCRIPTION_ID_META_KEY]: this.request.id } });
  }
}

export function eventType(name: string, delivery: string[]): Record<string, unknown> {
  return { name, description: name, delivery, inputSchema: { type: 'object' }, payloadSchema: { type: 'object' } };
}

export function occurrence(eventId: string, name = 'incident.opened'): Record<string, unknown> {
  return { eventId, name, timestamp: '2026-07-28T12:00:00Z', data: { id: eventId } };
}

/** A poll result. */
export function batch(ids: string[], cursor: string | null | undefined, more: Record<string, unknown> = {}): object {
  return {
    events: ids.map((id) => occurrence(id)),
    cursor,
    truncated: false,
    hasMore: false,
    nextPollMs: 5_000,
    ...more,
  };
}

class InMemoryEnd implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: any) => void;
  #closed = false;
  readonly #receive: (message: unknown) => void;

  constructor(receive: (message: unknown) => void) {
    this.#receive = receive;
  }

  async start(): Promise<void> {}

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#closed) throw new Error('closed');
    const copy: unknown = JSON.parse(JSON.stringify(message));
    queueMicrotask(() => this.#receive(copy));
  }

  deliver(message: unknown): void {
    if (!this.#closed) this.onmessage?.(JSON.parse(toJson(message)));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.onclose?.();
  }
}
