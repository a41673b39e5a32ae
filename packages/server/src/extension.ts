import type { McpHttpHandler, McpServer, Transport } from '@modelcontextprotocol/server';
import { EXTENSION_ID } from '@mcp-events/protocol';
import type { DeliveryMode, Dialect, EventsError, JwksDocument } from '@mcp-events/protocol';
import { Catalog } from './catalog/catalog.ts';
import type { EventTypeDefinition } from './catalog/definition.ts';
import { EventTypes } from './catalog/eventTypes.ts';
import type { EventHandle } from './catalog/eventHandle.ts';
import { systemClock } from './clock.ts';
import type { Core } from './core.ts';
import { countedIds, RUN_ID_LENGTH } from './countedIds.ts';
import { Heartbeats } from './delivery/push/heartbeats.ts';
import type { PushSession } from './delivery/push/pushSession.ts';
import { TurnFlusher } from './delivery/push/turnFlusher.ts';
import { deadLetterOf, eventOf } from './delivery/webhook/deadLetter.ts';
import type { DeadLetter } from './delivery/webhook/deadLetter.ts';
import { Webhooks } from './delivery/webhook/webhooks.ts';
import { WebhookSubscription } from './delivery/webhook/webhookSubscription.ts';
import { resolveLimits } from './limits.ts';
import { gaugesOf } from './observability/gauges.ts';
import { Observer } from './observability/observer.ts';
import { createReporting } from './observability/reporting.ts';
import type { EventsOptions } from './options.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { OutboxDatabase } from './outbox/outboxDatabase.ts';
import { Outboxes } from './outbox/outboxes.ts';
import { defaultPrincipal } from './requests/caller.ts';
import { createHandlers, registerHandlers } from './requests/handlers.ts';
import type { RequestHandler } from './requests/handlers.ts';
import { headerSafeId } from './occurrence/headerSafeId.ts';
import { Restoration } from './restoration.ts';
import { ShutdownDeadline } from './shutdownDeadline.ts';
import { EndedSubscriptions } from './inspection/endedSubscriptions.ts';
import { Inspection } from './inspection/inspection.ts';
import { Leases } from './subscription/leases.ts';
import { Lifecycle } from './subscription/lifecycle.ts';
import type { DeadLetterFilter } from './storage/deadLetterStore.ts';
import { memoryStorage } from './storage/memoryStorage.ts';
import type { Storage } from './storage/storage.ts';
import { Registry } from './subscription/registry.ts';
import type { SubscriptionFilter } from './subscription/registry.ts';
import { Reauthorization } from './subscription/reauthorization.ts';
import { Selection } from './subscription/selection.ts';
import { wrapHttpHandler } from './transport/http.ts';
import { ListChanged } from './transport/listChanged.ts';
import type { StreamSlots } from './transport/slots.ts';
import { StdioEventsTransport } from './transport/stdio.ts';

/** Streams must show life at least this often (PUSH-10). */
const LONGEST_HEARTBEAT_MS = 30_000;

/** The SDK's own bound on `subscriptions/listen` streams. */
const MAX_LISTEN_STREAMS = 1_024;

/** How a server ends. */
export interface CloseOptions {
  /**
   * Lets deliveries that are under way finish, and what is known then be stored, for so many milliseconds; then everything
   * is cut, also a store that does not answer. Give it less time than whoever stops the process.
   */
  readonly deadlineMs?: number;
}

/** What is known of a live subscription. */
export interface SubscriptionInfo {
  readonly id: string;
  readonly mode: DeliveryMode;
  readonly name: string;
  readonly principal: string | undefined;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Where a webhook subscription is delivered to, exactly as the client sent it. Absent in other modes. */
  readonly url?: string;
  /** Whether a webhook subscription waits for its client to come back (DELIV-13). Absent in other modes. */
  readonly suspended?: boolean;
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
  readonly #storage: Storage;
  readonly #eventTypes: EventTypes;
  readonly #handlers: ReadonlyMap<string, RequestHandler>;
  readonly #dialect: Dialect | 'auto';
  readonly #legacySessions: boolean;
  readonly #onWarning: NonNullable<EventsOptions['onWarning']>;
  readonly #listChanged = new ListChanged();
  readonly #slots: StreamSlots = new WeakMap();
  readonly #reauthorization: Reauthorization;
  readonly #outboxes: Outboxes;
  readonly #inspection: Inspection;
  readonly #attached = new WeakSet<McpServer>();
  #closing: Promise<void> | undefined;
  /** Only a wrapped transport can carry list changes, so only then they are promised (LIST-11). */
  #wrapped = false;

  /** Throws a `TypeError` that names the wrong option. */
  constructor(options: EventsOptions = {}) {
    const clock = options.clock ?? systemClock;
    const limits = resolveLimits(options.limits);
    const randomId = options.randomId ?? (() => crypto.randomUUID());
    const createRunId = (): string => randomId().replaceAll('-', '').slice(0, RUN_ID_LENGTH);
    const { logger, telemetry } = options;
    const observer = (logger ?? telemetry) ? new Observer(clock, logger, telemetry) : undefined;
    const { report, warn } = createReporting(options, observer);
    this.#onWarning = warn;
    this.#dialect = options.dialect ?? 'auto';
    this.#legacySessions = options.legacySessions ?? false;
    if (this.#legacySessions && this.#dialect === 'final') {
      throw new TypeError('legacySessions needs the older dialect, which `dialect: "final"` switches off');
    }
    this.#storage = options.storage ?? memoryStorage({ clock, createEpoch: createRunId });
    const lifecycle = new Lifecycle(clock, limits.hookMs, report);
    const ended = new EndedSubscriptions(clock);
    const registry = new Registry(limits, {
      added: (subscription) => observer?.started(subscription),
      removed: (subscription) => {
        ended.add(subscription);
        observer?.ended(subscription);
      },
    });
    const namespace = options.namespace ?? 'mcp-events';
    const createEventId = countedIds(`evt_${createRunId()}`);
    const createStreamId = (): string => `push_${randomId()}`;
    // Where every peer gets message ids of their own, an upstream's id may be any text.
    const isFinal = this.#dialect === 'final' && options.webhooks?.dialect === undefined;
    const eventIdOf = isFinal ? (authored: string): string => authored : headerSafeId;
    const ids = { namespace, createStreamId, createEventId, eventIdOf };
    const environment = { ...ids, clock, limits, closed: false, observer, report };
    this.#core = Object.assign(environment, {
      catalog: new Catalog(positive(options.pageSize ?? 100, Number.MAX_SAFE_INTEGER, 'pageSize')),
      registry,
      leases: new Leases(clock),
      lifecycle,
      selection: new Selection(clock, limits.hookMs, limits.maxPayloadBytes),
      heartbeats: new Heartbeats(
        clock,
        positive(options.heartbeatIntervalMs ?? 15_000, LONGEST_HEARTBEAT_MS, 'heartbeatIntervalMs'),
      ),
      flusher: new TurnFlusher(clock),
      sessions: new Set<PushSession>(),
      webhooks:
        options.webhooks &&
        new Webhooks(environment, options.webhooks, {
          registry,
          lifecycle,
          randomId,
          storage: this.#storage,
          warn: (message, name) => this.#onWarning(message, { stage: 'webhook', name }),
        }),
      restored: (name: string) => restoration?.restored(name),
      hasStored: (id: string) => restoration?.has(id) ?? false,
      forgetStored: (name: string, id: string) => restoration?.forget(name, id) ?? false,
    });
    const { webhooks } = this.#core;
    const restoration = webhooks?.persistence && new Restoration(this.#core, webhooks, webhooks.persistence);
    this.#eventTypes = new EventTypes({
      core: this.#core,
      storage: this.#storage,
      onWarning: this.#onWarning,
      onChange: () => this.#listChanged.notify(),
      onDefined: (type) => {
        restoration?.begin(type);
        this.#outboxes.wake();
      },
    });
    this.#outboxes = new Outboxes({
      environment: this.#core,
      storage: this.#storage,
      emission: (name) => this.#eventTypes.emission(name),
      warn: (message) => this.#onWarning(message, { stage: 'outbox' }),
    });
    this.#inspection = new Inspection({
      core: this.#core,
      storage: this.#storage,
      ended,
      outboxes: this.#outboxes,
    });
    observer?.watch(gaugesOf(this.#core, this.#outboxes));
    const callerRules = { principal: options.principal ?? defaultPrincipal, dialect: this.#dialect };
    this.#handlers = createHandlers({ core: this.#core, callerRules, slots: this.#slots });
    const reauthorizeMs = positive(options.reauthorizeIntervalMs ?? 60_000, 2 ** 31 - 1, 'reauthorizeIntervalMs');
    this.#reauthorization = new Reauthorization({
      clock,
      intervalMs: reauthorizeMs,
      subscriptions: () => [...this.#core.sessions, ...this.#webhookSubscriptions()],
      authorize: async (subscription) => {
        const type = this.#core.catalog.get(subscription.name);
        if (type !== undefined) await lifecycle.authorize(type.compiled.definition, subscription);
      },
    });
  }

  /**
   * Offers an event type, at once and to all clients.
   *
   * @throws TypeError for an unusable definition or a name that is taken
   * @throws Error when the schemas it had in the last run cannot be read from the storage
   */
  define<Input = Record<string, unknown>, Args = Input, Payload = Record<string, unknown>>(
    name: string,
    definition: EventTypeDefinition<Input, Args, Payload>,
  ): EventHandle<Input, Args, Payload> {
    return this.#eventTypes.define(name, definition);
  }

  /**
   * Serves Events on one of the SDK's server objects. Call it in the factory, before the server is connected, with the
   * `era` the factory was given: clients of the 2025 revision do not get the extension (CAP-07), unless `legacySessions`
   * says so. Repeating it for the
   * same server does nothing.
   */
  attach(mcp: McpServer, { era }: { readonly era: 'modern' | 'legacy' }): void {
    if (this.#attached.has(mcp) || (era === 'legacy' && !this.#legacySessions)) return;
    if (mcp.isConnected()) throw new Error('attach Events before the server is connected');
    registerHandlers(mcp, this.#handlers);
    const settings: Record<string, boolean> = this.#wrapped ? { listChanged: true } : {};
    const capabilities = {
      // The extension came with the revision of 2026; only the sketch was ever spoken in older sessions (OP-34).
      ...(era === 'legacy' ? {} : { extensions: { [EXTENSION_ID]: settings } }),
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
      ...(subscription instanceof WebhookSubscription
        ? { url: subscription.url, suspended: subscription.suspended }
        : undefined),
    }));
  }

  /**
   * Ends live subscriptions, for example when access is revoked, and tells the subscribers why (TERM-01). Returns how
   * many. Whether they may come back is for `authorize` to say.
   */
  terminate(filter: SubscriptionFilter, error: EventsError): number {
    return this.#core.registry.terminate(filter, error);
  }

  /** Events that were given up after their last attempt, oldest first (DELIV-08). Bounded in number and size. */
  async deadLetters(filter: DeadLetterFilter = {}): Promise<DeadLetter[]> {
    const letters = await this.#storage.deadLetters.find(filter);
    return letters.map(deadLetterOf);
  }

  /**
   * Delivers dead letters again, those whose subscription still lives. They come outside of the subscription's order, and
   * are off the list when they are acknowledged. Resolves with how many are on their way now that were not before.
   */
  async redrive(filter: DeadLetterFilter = {}): Promise<number> {
    let redriven = 0;
    for (const letter of await this.#storage.deadLetters.find(filter)) {
      const subscription = this.#core.registry.get(letter.subscriptionId);
      if (!(subscription instanceof WebhookSubscription)) continue;
      if (subscription.redeliver(eventOf(letter), letter.number)) redriven++;
    }
    return redriven;
  }

  /**
   * What the server holds at the moment, for operators: subscriptions with their positions and deliveries, logs, queues,
   * dead letters, and why a subscription did not get an event. Nothing of it is for clients.
   *
   * @example
   * ```ts
   * const { verdict, message } = await events.inspect().why(subscriptionId, eventId);
   * ```
   */
  inspect(): Inspection {
    return this.#inspection;
  }

  /**
   * The outbox in an author's own SQLite database, for events that have to be stored together with the change they tell
   * of. Makes its tables there (`mcp_events_outbox...`) when they are missing. A database belongs to one server at a time;
   * close it after the server.
   *
   * @throws TypeError when a transaction is open on the handle, when it cannot say whether one is, and when the server has
   * an outbox in the same database by another handle.
   * @throws Error when the storage's note of what was moved last cannot be read.
   *
   * @example
   * ```ts
   * const outbox = events.outbox(db);
   * db.exec('BEGIN');
   * db.prepare('UPDATE incidents SET state = ? WHERE id = ?').run('open', id);
   * outbox.add('incident.opened', { id, severity: 'high' });
   * db.exec('COMMIT');
   * ```
   */
  outbox(db: OutboxDatabase): Outbox {
    return this.#outboxes.open(db);
  }

  /**
   * The public key of `webhooks.signingKey`, to be served as `/.well-known/mcp-webhook-jwks.json` of the server's own
   * origin, where receivers trust it (SIG-13).
   */
  webhookKeys(): JwksDocument {
    return this.#core.webhooks?.keySet() ?? { keys: [] };
  }

  /**
   * Ends everything: streams with their final frame, leases and webhook subscriptions with their hooks, sources and
   * timers. Stored webhook subscriptions stay stored, for the next run. Idempotent.
   *
   * Without a deadline attempts under way are cut, to be made again in the next run, and what has to be stored is waited
   * for. Rejects when it cannot be stored. Throws a `TypeError` for a deadline that is no time.
   */
  close({ deadlineMs }: CloseOptions = {}): Promise<void> {
    const deadline = new ShutdownDeadline(this.#core.clock, deadlineMs);
    if (this.#closing === undefined) {
      this.#core.observer?.closing(deadlineMs);
      this.#closing = this.#close(deadline);
    }
    return this.#closing.finally(() => deadline.clear());
  }

  async #close(deadline: ShutdownDeadline): Promise<void> {
    const { webhooks, leases, catalog, observer } = this.#core;
    this.#core.closed = true;
    this.#reauthorization.close();
    const outboxesClosed = this.#outboxes.close();
    const drained = deadline.given ? webhooks?.drain() : undefined;
    await this.#finishStreams();
    leases.close();
    await deadline.wait(outboxesClosed);
    await deadline.wait(drained);
    // After the last acknowledgement, so that the next run does not send again what was delivered.
    webhooks?.storePositions();
    await deadline.wait(webhooks?.persistence?.close());
    const attemptsCut = webhooks?.queues.running ?? 0;
    for (const subscription of this.#webhookSubscriptions()) subscription.end();
    await webhooks?.close();
    for (const { feed } of catalog.all()) feed.close();
    try {
      await deadline.wait(this.#storage.close());
    } finally {
      observer?.closed(attemptsCut);
    }
  }

  #webhookSubscriptions(): WebhookSubscription[] {
    const { webhooks, registry } = this.#core;
    if (webhooks === undefined) return [];
    return registry.find().filter((subscription) => subscription instanceof WebhookSubscription);
  }

  /** Resolves when what was written had a turn of the event loop to leave the process. */
  async #finishStreams(): Promise<void> {
    for (const session of this.#core.sessions) session.finish();
    this.#listChanged.close();
    for (let turn = 0; turn < 2; turn++) {
      await new Promise<void>((resolve) => this.#core.clock.setImmediate(resolve));
    }
  }
}

function positive(value: number, most: number, name: string): number {
  if (value > 0 && value <= most) return value;
  throw new TypeError(`${name} must be a number above 0 and at most ${most}, not ${value}`);
}
