import type { AuthInfo, CreateMcpHandlerOptions, McpHttpHandler } from '@modelcontextprotocol/server';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { Events } from '@mcp-events/server';
import type { EventsOptions } from '@mcp-events/server';
import { FakeClock } from './fakeClock.ts';
import { FrameReader } from './frames.ts';
import type { Message } from './frames.ts';

export const EXTENSION = 'io.modelcontextprotocol/events';
export const SUBSCRIPTION_ID = 'io.modelcontextprotocol/subscriptionId';
const VERSION = '2026-07-28';

export interface RequestOptions {
  readonly id?: string | number;
  /** Acts as this principal. */
  readonly as?: string;
  /** Acts with this authentication. */
  readonly authInfo?: AuthInfo;
  /** Whether the client declares the extension. Default true. */
  readonly declare?: boolean;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly version?: string;
}

/** An open stream and the request that opened it. */
export interface OpenStream extends FrameReader {
  readonly id: string | number;
  readonly abort: () => void;
}

/** How much of Events a test server has. */
export interface Mounting {
  /** Whether `events.http` wraps the SDK's handler. Default true. */
  readonly wrap?: boolean;
  /** Whether the SDK's servers get the extension. Default true. */
  readonly attach?: boolean;
  /** Whether the SDK's servers have a tool, whose list may change, too. Default false. */
  readonly tool?: boolean;
}

/** A server reached without a socket, with hand-written requests: nothing of a client library is in between. */
export class TestServer {
  readonly clock: FakeClock;
  readonly events: Events;
  readonly handler: McpHttpHandler;
  /** What the server reported instead of telling clients. */
  readonly errors: { error: unknown; stage: string }[] = [];
  readonly warnings: string[] = [];
  readonly servers: McpServer[] = [];
  #nextId = 1;

  constructor(
    options: EventsOptions = {},
    handlerOptions: CreateMcpHandlerOptions = {},
    { wrap = true, attach = true, tool = false }: Mounting = {},
  ) {
    this.clock = (options.clock as FakeClock | undefined) ?? new FakeClock();
    this.events = new Events({
      clock: this.clock,
      onError: (error, { stage }) => this.errors.push({ error, stage }),
      onWarning: (message) => this.warnings.push(message),
      ...options,
    });
    const inner = createMcpHandler(({ era }) => {
      const mcp = new McpServer({ name: 'test', version: '1.0.0' });
      if (attach) this.events.attach(mcp, { era });
      if (tool) mcp.registerTool('noop', {}, () => ({ content: [] }));
      this.servers.push(mcp);
      return mcp;
    }, handlerOptions);
    this.handler = wrap ? this.events.http(inner) : inner;
  }

  /** The raw HTTP answer. */
  fetch(method: string, params: Record<string, unknown> = {}, options: RequestOptions = {}): Promise<Response> {
    const { id = this.#nextId++, as, declare = true, headers, version = VERSION, signal } = options;
    const meta = {
      'io.modelcontextprotocol/protocolVersion': version,
      'io.modelcontextprotocol/clientCapabilities': declare ? { extensions: { [EXTENSION]: {} } } : {},
      ...(params['_meta'] as object | undefined),
    };
    const allHeaders: Record<string, string | undefined> = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': version,
      'mcp-method': method,
      ...headers,
    };
    const request = new Request('http://localhost/mcp', {
      method: 'POST',
      headers: Object.entries(allHeaders).filter((entry): entry is [string, string] => entry[1] !== undefined),
      body: JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } }),
      ...(signal === undefined ? {} : { signal }),
    });
    const authInfo = options.authInfo ?? (as === undefined ? undefined : authFor(as));
    return this.handler.fetch(request, authInfo === undefined ? {} : { authInfo });
  }

  /** The JSON-RPC answer of a plain request. */
  async call(method: string, params: Record<string, unknown> = {}, options: RequestOptions = {}): Promise<Message> {
    const response = await this.fetch(method, params, options);
    return (await response.json()) as Message;
  }

  /** The result of a plain request; fails the test on an error answer. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into results of every shape
  async result(method: string, params: Record<string, unknown> = {}, options: RequestOptions = {}): Promise<any> {
    const message = await this.call(method, params, options);
    if (message.result === undefined) throw new Error(`${method} failed: ${JSON.stringify(message.error)}`);
    return message.result;
  }

  /** Shorthand for a poll's result. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into results of every shape
  poll(
    name: string,
    cursor: string | null,
    params: Record<string, unknown> = {},
    options?: RequestOptions,
  ): Promise<any> {
    return this.result('events/poll', { name, cursor, ...params }, options);
  }

  /** Opens a stream; fails the test when it is refused. */
  async stream(name: string, params: Record<string, unknown> = {}, options: RequestOptions = {}): Promise<OpenStream> {
    const { id = this.#nextId++ } = options;
    const controller = new AbortController();
    const response = await this.fetch(
      'events/stream',
      { name, ...params },
      { ...options, id, signal: controller.signal },
    );
    const type = response.headers.get('content-type') ?? '';
    if (!type.startsWith('text/event-stream') || response.body === null) {
      throw new Error(`no stream: ${await response.text()}`);
    }
    return Object.assign(new FrameReader(response.body), { id, abort: () => controller.abort() });
  }

  /** Ends the server and everything that is open. */
  async close(): Promise<void> {
    await this.events.close();
    await this.handler.close();
  }
}

export function authFor(principal: string): AuthInfo {
  return { token: `token-of-${principal}`, clientId: 'test-client', scopes: [], extra: { sub: principal } };
}
