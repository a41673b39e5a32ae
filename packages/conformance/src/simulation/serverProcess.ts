import { CLIENT_CAPABILITIES_META_KEY, EXTENSION_ID } from '@mcp-events/protocol';
import type { Dialect, Methods } from '@mcp-events/protocol';
import { Events } from '@mcp-events/server';
import type { Dial, EventHandle, EventsOptions } from '@mcp-events/server';
import type { McpServer, ServerContext } from '@modelcontextprotocol/server';
import type { EventSource } from './eventSources.ts';
import type { Random } from './random.ts';
import type { OpenEngine } from './serverEngine.ts';
import type { ProcessClock } from './virtualTime.ts';

export type Method = (typeof Methods)[keyof typeof Methods];

/** A request as it arrives at the server. */
export interface ServerRequest {
  readonly id: string;
  readonly method: Method;
  readonly params: Readonly<Record<string, unknown>>;
  /** `undefined` for one that was not authenticated. */
  readonly principal: string | undefined;
  /** Of its sender. Default: final. */
  readonly dialect?: Dialect;
  readonly signal: AbortSignal;
  readonly notify: (message: { method: string; params?: Record<string, unknown> }) => Promise<void>;
}

export interface ServerProcessOptions {
  readonly clock: ProcessClock;
  readonly engine: OpenEngine;
  readonly random: Random;
  readonly sources: readonly EventSource[];
  readonly connect: Dial;
  readonly resolve: (hostname: string) => string;
  readonly options: EventsOptions;
}

type RequestHandler = (params: unknown, context: ServerContext) => Promise<unknown>;

/** Encrypts the signing secrets of a run. */
const SECRET_KEY = Buffer.alloc(32, 7).toString('base64');

/** One life of the server: the real thing, on a clock, a disk and a network that end with it. */
export class ServerProcess {
  readonly clock: ProcessClock;
  readonly events: Events;
  readonly handles: ReadonlyMap<string, EventHandle>;
  readonly #engine: OpenEngine;
  readonly #handlers = new Map<string, RequestHandler>();
  alive = true;

  constructor(process: ServerProcessOptions) {
    const { clock, engine, random, sources, options } = process;
    this.clock = clock;
    this.#engine = engine;
    const hex = (): string => random.int(0, 0xffff_ffff).toString(16).padStart(8, '0');
    this.events = new Events({
      ...options,
      clock,
      storage: engine.storage,
      randomId: () => `${hex()}-${hex()}-${hex()}-${hex()}`,
      webhooks: {
        ...options.webhooks,
        secretKeys: [SECRET_KEY],
        allowedOrigins: () => true,
        random: () => random.next(),
        egress: { resolve: (hostname) => [process.resolve(hostname)], connect: process.connect },
      },
    });
    // What the SDK's server is for here: it holds the handlers, which are called without a transport in between.
    const registrar = {
      isConnected: () => false,
      server: {
        assertCanSetRequestHandler: () => {},
        setRequestHandler: (method: string, _schemas: unknown, handler: RequestHandler) => {
          this.#handlers.set(method, handler);
        },
        registerCapabilities: () => {},
      },
    };
    this.events.attach(registrar as unknown as McpServer, { era: 'modern' });
    this.handles = new Map(
      sources.map((source) => [source.name, this.events.define(source.name, source.definition(clock))]),
    );
  }

  /** Settles as the handler does; not at all, if the process dies before. */
  request({ id, method, params, principal, dialect = 'final', signal, notify }: ServerRequest): Promise<unknown> {
    const handler = this.#handlers.get(method);
    if (handler === undefined) throw new Error(`no handler for ${method}`);
    const authInfo = { token: principal, clientId: 'simulated', scopes: [], extra: { sub: principal } };
    const context = {
      http: principal === undefined ? {} : { authInfo },
      mcpReq: {
        id,
        signal,
        notify,
        envelope: dialect === 'final' ? { [CLIENT_CAPABILITIES_META_KEY]: { extensions: { [EXTENSION_ID]: {} } } } : {},
      },
    };
    return handler(params, context as unknown as ServerContext);
  }

  /** The process is gone from one moment to the next. */
  kill(): void {
    this.alive = false;
    this.#engine.kill();
    this.clock.kill();
  }
}
