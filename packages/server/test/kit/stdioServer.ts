import { McpServer } from '@modelcontextprotocol/server';
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { Events } from '@mcp-events/server';
import type { EventsOptions } from '@mcp-events/server';
import { FakeClock, settle } from './fakeClock.ts';
import type { Message } from './frames.ts';
import { EXTENSION } from './httpServer.ts';

/** The server's end of a pipe that the test holds the other end of. */
class PipeTransport implements Transport {
  readonly sent: Message[] = [];
  /** While set, nothing leaves the pipe: a client that does not read. */
  blocked: Promise<void> | undefined;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;

  /** Messages that wait for the pipe. */
  waiting = 0;

  async start(): Promise<void> {}

  /** Stops reading until `unblock` is called. */
  block(): { unblock: () => void } {
    let unblock = (): void => {};
    this.blocked = new Promise<void>((resolve) => (unblock = resolve));
    return { unblock };
  }

  async send(message: JSONRPCMessage): Promise<void> {
    this.waiting++;
    await this.blocked;
    this.waiting--;
    // What crosses a pipe is text: nothing is shared by reference.
    this.sent.push(JSON.parse(JSON.stringify(message)) as Message);
  }

  async close(): Promise<void> {
    this.onclose?.();
  }
}

/** A server on stdio, with a pipe in place of the process's streams. */
export class StdioTestServer {
  readonly clock: FakeClock;
  readonly events: Events;
  readonly pipe = new PipeTransport();
  readonly #handle: { close(): Promise<void> };

  constructor(options: EventsOptions = {}) {
    this.clock = (options.clock as FakeClock | undefined) ?? new FakeClock();
    this.events = new Events({ clock: this.clock, onError: () => {}, ...options });
    this.#handle = serveStdio(
      ({ era }) => {
        const mcp = new McpServer({ name: 'test', version: '1.0.0' });
        this.events.attach(mcp, { era });
        return mcp;
      },
      { transport: this.events.stdio(this.pipe) },
    );
  }

  /** Everything the server wrote so far. */
  get sent(): readonly Message[] {
    return this.pipe.sent;
  }

  /** What was written for one stream. */
  of(id: string | number): Message[] {
    return this.sent.filter(
      ({ params, id: responseId, method }) =>
        params?._meta?.['io.modelcontextprotocol/subscriptionId'] === id || (method === undefined && responseId === id),
    );
  }

  /** Writes a request and lets the server work on it. */
  async request(
    id: string | number,
    method: string,
    params: Record<string, unknown> = {},
  ): Promise<Message | undefined> {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': { extensions: { [EXTENSION]: {} } },
    };
    this.pipe.onmessage?.({ jsonrpc: '2.0', id, method, params: { ...params, _meta } });
    await settle();
    return this.sent.find((message) => message.id === id && message.method === undefined);
  }

  /** Lets the server finish what it can finish now. */
  async idle(): Promise<void> {
    await settle();
  }

  /** Writes a message as it is; the answer, if it is a request. */
  async raw(message: {
    jsonrpc: '2.0';
    method: string;
    id?: number;
    params?: Record<string, unknown>;
  }): Promise<Message | undefined> {
    this.pipe.onmessage?.(message);
    await settle();
    return this.sent.find(({ id, method }) => id !== undefined && id === message.id && method === undefined);
  }

  async cancel(id: string | number): Promise<void> {
    const params = { requestId: id, _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } };
    this.pipe.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
    await settle();
  }

  async close(): Promise<void> {
    await this.events.close();
    await this.#handle.close();
  }
}
