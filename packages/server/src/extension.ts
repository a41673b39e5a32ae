import type { McpHttpHandler, McpServer, Transport } from '@modelcontextprotocol/server';
import { EXTENSION_ID, notFound, unsupported } from '@mcp-events/protocol';
import type { DeliveryMode, Dialect, EventsError } from '@mcp-events/protocol';
import { breakingChange, Catalog } from './catalog/catalog.ts';
import type { AnyDefinition, EventTypeDefinition } from './catalog/definition.ts';
import { Emitter } from './catalog/emitter.ts';
import type { EventHandle } from './catalog/eventHandle.ts';
import { compileType } from './catalog/eventType.ts';
import type { EventType } from './catalog/eventType.ts';
import { openFeed, sourceKind } from './catalog/openFeed.ts';
import { systemClock } from './clock.ts';
import type { Core } from './core.ts';
import { Heartbeats } from './delivery/push/heartbeats.ts';
import { Reauthorization } from './delivery/push/reauthorization.ts';
import { TurnFlusher } from './delivery/push/turnFlusher.ts';
import { CheckFeed } from './feed/checkFeed.ts';
import { LiveFeed } from './feed/liveFeed.ts';
import { LogFeed } from './feed/logFeed.ts';
import { writeError, writeWarning } from './defaultReporting.ts';
import { resolveLimits } from './limits.ts';
import type { EventStorage } from './log/eventLog.ts';
import { memoryStorage } from './log/memoryLog.ts';
import type { EventsOptions } from './options.ts';
import { defaultPrincipal } from './requests/caller.ts';
import { createHandlers, registerHandlers } from './requests/handlers.ts';
import type { RequestHandler } from './requests/handlers.ts';
import { Leases } from './subscription/leases.ts';
import { Lifecycle } from './subscription/lifecycle.ts';
import { Registry } from './subscription/registry.ts';
import type { SubscriptionFilter } from './subscription/registry.ts';
import { Selection } from './subscription/selection.ts';
import { wrapHttpHandler } from './transport/http.ts';
import { ListChanged } from './transport/listChanged.ts';
import type { StreamSlots } from './transport/slots.ts';
import { StdioEventsTransport } from './transport/stdio.ts';

/** Streams must show life at least this often (PUSH-10). */
const LONGEST_HEARTBEAT_MS = 30_000;

/** Hexadecimal digits that tell the runs of a server apart. */
const RUN_ID_LENGTH = 16;

/** The SDK's own bound on `subscriptions/listen` streams. */
const MAX_LISTEN_STREAMS = 1_024;

/** What is known of a live subscription. */
export interface SubscriptionInfo {
  readonly id: string;
  readonly mode: DeliveryMode;
  readonly name: string;
  readonly principal: string | undefined;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/**
 * The MCP Events extension of a server. One long-lived object: it outlives the SDK's server objects, which exist per
 * request over HTTP and per connection over stdio, and is attached to each of them.
 *
 * @example
 * ```ts
 * const events = new Events();
 * const opened = events.define('incident.opened', {
 *   input: z.object({ severity: z.enum(['high', 'low']).optional() }),
 *   payload: z.object({ id: z.string(), severity: z.string() }),
 *   filter: { severity: 'severity' },
 * });
 * const handler = events.http(
 *   createMcpHandler(({ era }) => {
 *     const mcp = new McpServer({ name: 'incidents', version: '1.0.0' });
 *     events.attach(mcp, { era });
 *     return mcp;
 *   }),
 * );
 * await opened.emit({ id: 'INC-1', severity: 'high' });
 * ```
 */
export class Events {
  readonly #core: Core;
  readonly #storage: EventStorage;
  readonly #handlers: ReadonlyMap<string, RequestHandler>;
  readonly #dialect: Dialect | 'auto';
  readonly #onWarning: NonNullable<EventsOptions['onWarning']>;
  readonly #listChanged = new ListChanged();
  readonly #slots: StreamSlots = new WeakMap();
  readonly #reauthorization: Reauthorization;
  readonly #attached = new WeakSet<McpServer>();
  /** Only a wrapped transport can carry list changes, so only then they are promised (LIST-11). */
  #wrapped = false;

  /** Throws a `TypeError` that names the wrong option. */
  constructor(options: EventsOptions = {}) {
    const clock = options.clock ?? systemClock;
    const limits = resolveLimits(options.limits);
    const randomId = options.randomId ?? (() => crypto.randomUUID());
    const createRunId = (): string => randomId().replaceAll('-', '').slice(0, RUN_ID_LENGTH);
    const onError = options.onError ?? writeError;
    // It is called in the middle of delivery, where its own failure would stop everybody's.
    const report: Core['report'] = (error, stage, name) => {
      const context = name === undefined ? { stage } : { stage, name };
      try {
        onError(error, context);
      } catch (failure) {
        writeError(error, context);
        writeError(failure, { stage: 'onError' });
      }
    };
    this.#onWarning = options.onWarning ?? writeWarning;
    this.#dialect = options.dialect ?? 'auto';
    this.#storage = options.storage ?? memoryStorage(clock, createRunId);
    const lifecycle = new Lifecycle(clock, limits.hookMs, report);
    this.#core = {
      clock,
      limits,
      namespace: options.namespace ?? 'mcp-events',
      catalog: new Catalog(positive(options.pageSize ?? 100, Number.MAX_SAFE_INTEGER, 'pageSize')),
      registry: new Registry(limits),
      leases: new Leases(clock),
      lifecycle,
      selection: new Selection(clock, limits.hookMs, limits.maxPayloadBytes),
      heartbeats: new Heartbeats(
        clock,
        positive(options.heartbeatIntervalMs ?? 15_000, LONGEST_HEARTBEAT_MS, 'heartbeatIntervalMs'),
      ),
      flusher: new TurnFlusher(clock),
      sessions: new Set(),
      closed: false,
      createStreamId: () => `push_${randomId()}`,
      createEventId: countedIds(`evt_${createRunId()}`),
      report,
    };
    const callerRules = { principal: options.principal ?? defaultPrincipal, dialect: this.#dialect };
    this.#handlers = createHandlers({ core: this.#core, callerRules, slots: this.#slots });
    const reauthorizeMs = positive(options.reauthorizeIntervalMs ?? 60_000, 2 ** 31 - 1, 'reauthorizeIntervalMs');
    this.#reauthorization = new Reauthorization({
      clock,
      intervalMs: reauthorizeMs,
      sessions: this.#core.sessions,
      authorize: async (session) => {
        const type = this.#core.catalog.get(session.name);
        if (type !== undefined) await lifecycle.authorize(type.compiled.definition, session);
      },
    });
  }

  /**
   * Offers an event type, at once and to all clients. Throws a `TypeError` for an unusable definition or a name that is
   * taken.
   */
  define<Input = Record<string, unknown>, Args = Input, Payload = Record<string, unknown>>(
    name: string,
    definition: EventTypeDefinition<Input, Args, Payload>,
  ): EventHandle<Input, Args, Payload> {
    const { catalog } = this.#core;
    if (catalog.get(name) !== undefined) throw new TypeError(`event type ${JSON.stringify(name)} is defined already`);
    const compiled = compileType(name, definition as AnyDefinition);
    let type: EventType = {
      name,
      compiled,
      feed: openFeed(this.#core, this.#storage, name, () => type.compiled, compiled),
    };
    catalog.set(type);
    this.#listChanged.notify();
    const emitter = new Emitter(this.#core, name, (message) => this.#onWarning(message, { stage: 'emit', name }));
    const offered = (): EventType => {
      if (catalog.get(name) !== type) throw new TypeError(`event type ${JSON.stringify(name)} was removed`);
      return type;
    };
    return {
      name,
      emit: (data, options = {}) => emitter.emit(offered, data, options),
      wake: () => {
        const { feed } = offered();
        if (feed instanceof CheckFeed) feed.wake();
        else throw new TypeError(`${name} is emitted: there is no check to call`);
      },
      reportLoss: async () => emittedFeed(offered()).lose(),
      reportFailure: (error) => emittedFeed(offered()).fail(error),
      update: (changed) => {
        type = this.#update(offered(), changed as AnyDefinition);
      },
      remove: () => {
        if (catalog.get(name) === type) this.#remove(type);
      },
    };
  }

  /**
   * Serves Events on one of the SDK's server objects. Call it in the factory, before the server is connected, with the
   * `era` the factory was given: clients of the 2025 revision do not get the extension (CAP-07). Repeating it for the
   * same server does nothing.
   */
  attach(mcp: McpServer, { era }: { readonly era: 'modern' | 'legacy' }): void {
    if (era !== 'modern' || this.#attached.has(mcp)) return;
    if (mcp.isConnected()) throw new Error('attach Events before the server is connected');
    registerHandlers(mcp, this.#handlers);
    const settings: Record<string, boolean> = this.#wrapped ? { listChanged: true } : {};
    const capabilities = {
      extensions: { [EXTENSION_ID]: settings },
      // Deployed peers look for the older key (DIALECT-02); it is not part of the SDK's type.
      ...(this.#dialect === 'final' ? {} : { events: settings }),
    };
    mcp.server.registerCapabilities(capabilities);
    this.#attached.add(mcp);
  }

  /**
   * Wraps the SDK's HTTP handler. The result has the same shape and mounts wherever the original does; without it
   * streams work, but unbounded for slow clients, and list changes are not announced. Its `close` ends streams with
   * their final frame first.
   */
  http(handler: McpHttpHandler): McpHttpHandler {
    this.#wrapped = true;
    const { clock, flusher } = this.#core;
    return wrapHttpHandler(handler, {
      slots: this.#slots,
      listChanged: this.#listChanged,
      clock,
      flusher,
      maxListenStreams: MAX_LISTEN_STREAMS,
      finishStreams: () => this.#finishStreams(),
    });
  }

  /** Wraps the transport given to the SDK's `serveStdio`, for list changes and orderly writing. */
  stdio(transport: Transport): Transport {
    this.#wrapped = true;
    return new StdioEventsTransport(transport, this.#listChanged, this.#core.clock);
  }

  /** Live subscriptions, all or some. */
  subscriptions(filter: SubscriptionFilter = {}): SubscriptionInfo[] {
    return this.#core.registry.find(filter).map((subscription) => ({
      id: subscription.id,
      mode: subscription.mode,
      name: subscription.name,
      principal: subscription.principal,
      arguments: subscription.rawArguments,
    }));
  }

  /**
   * Ends live subscriptions, for example when access is revoked, and tells the subscribers why (TERM-01). Returns how
   * many. Whether they may come back is for `authorize` to say.
   */
  terminate(filter: SubscriptionFilter, error: EventsError): number {
    return this.#core.registry.terminate(filter, error);
  }

  /** Ends everything: streams with their final frame, leases with their hooks, sources and timers. Idempotent. */
  async close(): Promise<void> {
    if (this.#core.closed) return;
    this.#core.closed = true;
    this.#reauthorization.close();
    await this.#finishStreams();
    this.#core.leases.close();
    for (const { feed } of this.#core.catalog.all()) feed.close();
  }

  /** Resolves when what was written had a turn of the event loop to leave the process. */
  async #finishStreams(): Promise<void> {
    for (const session of this.#core.sessions) session.finish();
    this.#listChanged.close();
    for (let turn = 0; turn < 2; turn++) {
      await new Promise<void>((resolve) => this.#core.clock.setImmediate(resolve));
    }
  }

  #update(type: EventType, definition: AnyDefinition): EventType {
    const { name } = type;
    const compiled = compileType(name, definition);
    if (sourceKind(definition) !== sourceKind(type.compiled.definition)) {
      throw new TypeError(`event type ${JSON.stringify(name)} cannot change where its events come from`);
    }
    const broken = breakingChange(type.compiled, compiled);
    const modesGone = type.compiled.descriptor.delivery.filter((mode) => !compiled.descriptor.delivery.includes(mode));
    let changed = type;
    if (broken === undefined) {
      type.compiled = compiled;
      if (type.feed instanceof LogFeed || type.feed instanceof LiveFeed) type.feed.setFilter(compiled.rules.filter);
    } else {
      changed = { name, compiled, feed: openFeed(this.#core, this.#storage, name, () => changed.compiled, compiled) };
      this.#core.catalog.set(changed);
      this.#core.registry.terminate({ name }, unsupported(broken, { reason: 'schema_changed' }));
      type.feed.close();
    }
    for (const subscription of this.#core.registry.find({ name })) {
      if (!modesGone.includes(subscription.mode)) continue;
      subscription.terminate(unsupported('deliveryMode', { value: subscription.mode }));
    }
    this.#listChanged.notify();
    return changed;
  }

  #remove(type: EventType): void {
    const { name } = type;
    this.#core.catalog.delete(name);
    this.#core.registry.terminate({ name }, notFound('event', `The event type ${JSON.stringify(name)} was removed`));
    type.feed.close();
    this.#listChanged.notify();
  }
}

function emittedFeed({ name, feed }: EventType): LogFeed | LiveFeed {
  if (feed instanceof LogFeed || feed instanceof LiveFeed) return feed;
  throw new TypeError(`${name} has a check: tell of losses and failures there, by truncated or by throwing`);
}

function positive(value: number, most: number, name: string): number {
  if (value > 0 && value <= most) return value;
  throw new TypeError(`${name} must be a number above 0 and at most ${most}, not ${value}`);
}

/** Ids of one run. They must be unique, not unguessable, and a counter costs nothing per event. */
function countedIds(prefix: string): () => string {
  let count = 0;
  return () => prefix + (++count).toString(16).padStart(RUN_ID_LENGTH, '0');
}
