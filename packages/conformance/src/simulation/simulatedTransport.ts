import { EXTENSION_ID } from '@mcp-events/protocol';
import type { JSONRPCMessage, RequestId, Transport, TransportSendOptions } from '@modelcontextprotocol/client';
import { NoAnswer } from './network.ts';
import type { Network } from './network.ts';
import type { RequestFaults } from './requestFaults.ts';
import type { Method } from './serverProcess.ts';

interface Exchange {
  readonly id: RequestId;
  readonly abort: AbortController;
  readonly isStream: boolean;
  readonly onEnd: (() => void) | undefined;
  over: boolean;
}

/** Codes that errors of a network have. */
const REFUSED = 'ECONNREFUSED';

/**
 * The SDK client's way to the server over the virtual network, with what Streamable HTTP means to a client: each request
 * has a response of its own, which may be refused, be dropped without an answer, or stream notifications before it.
 */
export class SimulatedTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #network: Network;
  readonly #principal: string;
  readonly #name: string;
  readonly #faults: RequestFaults;
  readonly #exchanges = new Map<RequestId, Exchange>();
  readonly #stopListening: () => void;
  #dead = false;

  constructor(network: Network, principal: string, name: string, faults: RequestFaults) {
    this.#network = network;
    this.#principal = principal;
    this.#name = name;
    this.#faults = faults;
    const onGone = (): void => {
      for (const exchange of this.#exchanges.values()) network.later(() => this.#drop(exchange));
    };
    network.onServerGone.add(onGone);
    this.#stopListening = () => network.onServerGone.delete(onGone);
  }

  async start(): Promise<void> {}

  /** What tells a transport over HTTP from one to a process on the same machine, whose clock is the client's own. */
  async finishAuth(): Promise<void> {}

  async close(): Promise<void> {
    const wasDead = this.#dead;
    this.kill();
    if (!wasDead) this.onclose?.();
  }

  /** Its process is gone: nothing arrives any more, and the server learns of it some time later. */
  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#stopListening();
    for (const exchange of this.#exchanges.values()) this.#network.later(() => exchange.abort.abort());
    this.#exchanges.clear();
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    if (this.#dead) return new Promise(() => {});
    if (!('method' in message)) return undefined;
    if (!('id' in message)) {
      const { requestId } = (message.params ?? {}) as { requestId?: RequestId };
      const exchange = requestId === undefined ? undefined : this.#exchanges.get(requestId);
      if (message.method === 'notifications/cancelled' && exchange !== undefined) this.#cancel(exchange);
      return undefined;
    }
    if (this.#network.server === undefined && this.#network.refusesAtOnce()) {
      throw new TypeError('fetch failed', { cause: Object.assign(new Error('connect'), { code: REFUSED }) });
    }
    const { id, method, params = {} } = message;
    if (method === 'server/discover') return this.#discover(id, options?.onRequestStreamEnd);
    this.#request(id, method, params, options?.onRequestStreamEnd);
    return undefined;
  }

  /** The SDK's client asks for it by itself, and hears of a connection that ended by `send` alone. */
  #discover(id: RequestId, onEnd: (() => void) | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onDrop = (): void => {
        reject(new TypeError('fetch failed', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) }));
        onEnd?.();
      };
      const exchange: Exchange = { id, abort: new AbortController(), isStream: false, onEnd: onDrop, over: false };
      this.#exchanges.set(id, exchange);
      this.#network.later(() => {
        if (this.#network.server === undefined || this.#network.losesMessage()) this.#drop(exchange);
        else {
          resolve();
          this.#answer(exchange, { result: DISCOVERED });
        }
      });
    });
  }

  #request(id: RequestId, method: string, params: Record<string, unknown>, onEnd: (() => void) | undefined): void {
    const isStream = method === 'events/stream';
    const exchange: Exchange = { id, abort: new AbortController(), isStream, onEnd, over: false };
    this.#exchanges.set(id, exchange);
    const blockedBy = this.#faults.blocks(method, params);
    if (blockedBy !== undefined) {
      this.#network.later(() => {
        if (blockedBy === 'drop') this.#drop(exchange);
        else this.#answer(exchange, { error: { code: -32_603, message: 'simulated: blocked on its way' } });
      });
      return;
    }
    const arriving: JSONRPCMessage[] = [];
    const request = {
      id: `${this.#name}-${id}`,
      method: method as Method,
      params,
      principal: this.#principal,
      signal: exchange.abort.signal,
      notify: async (notification: { method: string; params?: Record<string, unknown> }): Promise<void> => {
        arriving.push(this.#ownNotification(this.#faults.notification(notification), id) as JSONRPCMessage);
        this.#network.later(() => this.#take(exchange, arriving));
      },
    };
    this.#network.request(request, isStream ? Infinity : undefined).then(
      (result) => {
        this.#take(exchange, arriving);
        this.#answer(exchange, { result: this.#faults.answer(method, result) });
      },
      (error: Error) => {
        if (error instanceof NoAnswer) this.#drop(exchange);
        else {
          const { code, message, data } = error as Error & { code?: unknown; data?: unknown };
          this.#answer(exchange, { error: { code: typeof code === 'number' ? code : -32_603, message, data } });
        }
      },
    );
  }

  /** Ids of requests are unique at the server, which other clients use as well; each knows its own. */
  #ownNotification({ method, params }: { method: string; params?: Record<string, unknown> }, id: RequestId): unknown {
    const meta = (params?.['_meta'] ?? {}) as Record<string, unknown>;
    const own = Object.fromEntries(
      Object.entries(meta).map(([name, value]) => [name, value === `${this.#name}-${id}` ? id : value]),
    );
    return { jsonrpc: '2.0', method, params: { ...params, _meta: own } };
  }

  /** What is on its way, in its order. */
  #take(exchange: Exchange, arriving: JSONRPCMessage[]): void {
    for (const message of arriving.splice(0)) if (!exchange.over && !this.#dead) this.onmessage?.(message);
  }

  #answer(exchange: Exchange, content: object): void {
    if (exchange.over || this.#dead) return;
    exchange.over = true;
    this.#exchanges.delete(exchange.id);
    this.onmessage?.({ jsonrpc: '2.0', id: exchange.id, ...content } as JSONRPCMessage);
    exchange.onEnd?.();
  }

  #drop(exchange: Exchange): void {
    if (exchange.over || this.#dead) return;
    exchange.over = true;
    this.#exchanges.delete(exchange.id);
    this.#network.later(() => exchange.abort.abort());
    exchange.onEnd?.();
  }

  #cancel(exchange: Exchange): void {
    exchange.over = true;
    this.#exchanges.delete(exchange.id);
    this.#network.later(() => exchange.abort.abort());
  }

  /** Something between the client and the server cuts its open streams. */
  cutStreams(): void {
    for (const exchange of this.#exchanges.values()) if (exchange.isStream) this.#drop(exchange);
  }
}

const DISCOVERED = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { extensions: { [EXTENSION_ID]: {} } },
  ttlMs: 0,
  cacheScope: 'private',
};
