import type { McpHttpHandler, McpServer, Transport } from '@modelcontextprotocol/server';
import { EXTENSION_ID } from '@mcp-events/protocol';
import type { DeliveryMode, Dialect, EventsError, JwksDocument } from '@mcp-events/protocol';
import type { EventTypeDefinition } from './catalog/definition.ts';
import type { EventHandle } from './catalog/eventHandle.ts';
import { checkOptions } from './checkOptions.ts';
import { compose, webhookSubscriptionsOf } from './composition.ts';
import type { Parts } from './composition.ts';
import { deadLetterOf, eventOf } from './delivery/webhook/deadLetter.ts';
import { inEventOrder } from './delivery/webhook/deadLetterOrder.ts';
import type { DeadLetter } from './delivery/webhook/deadLetter.ts';
import { WebhookSubscription } from './delivery/webhook/webhookSubscription.ts';
import { having, refuseUnknown, wrongValue } from '@mcp-events/protocol/options';
import type { EventsOptions } from './options.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { OutboxDatabase } from './outbox/outboxDatabase.ts';
import type { OutboxOptions } from './outbox/outboxes.ts';
import { registerHandlers } from './requests/handlers.ts';
import { ShutdownDeadline } from './shutdownDeadline.ts';
import { readEventsError } from './readEventsError.ts';
import { readSubscriptionFilter, terminate } from './termination.ts';
import type { Inspection } from './inspection/inspection.ts';
import type { DeadLetterFilter } from './storage/deadLetterStore.ts';
import { readDeadLetters } from './storage/readDeadLetters.ts';
import { readDeadLetterFilter, readDiscardFilter } from './storage/readDeadLetterFilter.ts';
import type { SubscriptionFilter } from './subscription/registry.ts';
import { wrapHttpHandler } from './transport/http.ts';
import { StdioEventsTransport } from './transport/stdio.ts';

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
  /** For `terminate`, for `emit` with a target, and for `events.inspect()`. */
  readonly id: string;
  readonly mode: DeliveryMode;
  /** Of the event type. */
  readonly name: string;
  /** `undefined` of anonymous callers. */
  readonly principal: string | undefined;
  /** As the client sent them. */
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
  readonly #parts: Parts;
  readonly #dialect: Dialect | 'auto';
  readonly #legacySessions: boolean;
  readonly #attached = new WeakSet<McpServer>();
  #closing: Promise<void> | undefined;
  #deadline: ShutdownDeadline | undefined;
  /** Only a wrapped transport can carry list changes, so only then they are promised (LIST-11). */
  #wrapped = false;

  /** Throws a `TypeError` that names the wrong option. */
  constructor(options: EventsOptions = {}) {
    checkOptions(options);
    this.#dialect = options.dialect ?? 'auto';
    this.#legacySessions = options.legacySessions ?? this.#dialect !== 'final';
    if (this.#legacySessions && this.#dialect === 'final') {
      throw new TypeError('legacySessions needs the older dialect, which `dialect: "final"` switches off');
    }
    this.#parts = compose(options);
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
    return this.#parts.eventTypes.define(name, definition);
  }

  /**
   * Serves Events on one of the SDK's server objects. Call it in the factory, before the server is connected, with the
   * `era` the factory was given: sessions of the 2025 revisions get the older dialect, or nothing where `legacySessions`
   * or `dialect` say so (CAP-07, DIALECT-15). Repeating it for the same server does nothing.
   *
   * @throws TypeError for what is no `McpServer` or no era
   * @throws Error when the server is connected already
   */
  attach(mcp: McpServer, options: { readonly era: 'modern' | 'legacy' }): void {
    if (typeof (mcp as Partial<McpServer> | undefined)?.isConnected !== 'function') {
      throw wrongValue('the first argument of attach()', "the SDK's McpServer that the factory makes", mcp);
    }
    const era: unknown = (options as Partial<typeof options> | undefined)?.era;
    if (era !== 'modern' && era !== 'legacy') {
      const hint =
        'the factory gets it: createMcpHandler(({ era }) => { ...; events.attach(mcp, { era }); return mcp; })';
      throw wrongValue(`the era given to attach() (${hint})`, 'one of "modern", "legacy"', era);
    }
    if (this.#attached.has(mcp) || (era === 'legacy' && !this.#legacySessions)) return;
    if (mcp.isConnected()) throw new Error('attach Events before the server is connected');
    registerHandlers(mcp, this.#parts.handlers);
    // Older sessions have no request that would carry list changes.
    const settings: Record<string, boolean> = this.#wrapped && era === 'modern' ? { listChanged: true } : {};
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
   *
   * @throws TypeError for what is no handler of the SDK
   */
  http(handler: McpHttpHandler): McpHttpHandler {
    having(['fetch', 'close'], 'what createMcpHandler(factory) of the SDK returns')(
      handler,
      'the handler given to http()',
    );
    this.#wrapped = true;
    const { core, listChanged, slots } = this.#parts;
    return wrapHttpHandler(handler, {
      slots,
      listChanged,
      clock: core.clock,
      flusher: core.flusher,
      maxListenStreams: MAX_LISTEN_STREAMS,
      legacySessions: this.#legacySessions,
      maxRequestBytes: core.limits.maxRequestBytes,
      finishStreams: () => this.#finishStreams(),
    });
  }

  /**
   * Wraps the transport given to the SDK's `serveStdio`, for list changes and orderly writing.
   *
   * @throws TypeError for what is no transport
   */
  stdio(transport: Transport): Transport {
    having(['start', 'send', 'close'], 'such as new StdioServerTransport() of the SDK')(
      transport,
      'the transport given to stdio()',
    );
    this.#wrapped = true;
    return new StdioEventsTransport(transport, this.#parts.listChanged, this.#parts.core.clock);
  }

  /**
   * Live subscriptions, all or some.
   *
   * @throws TypeError for a filter as {@link terminate} refuses it
   */
  subscriptions(filter: SubscriptionFilter = {}): SubscriptionInfo[] {
    return this.#parts.core.registry.find(readSubscriptionFilter(filter)).map((subscription) => ({
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
   * Ends subscriptions, for example when access is revoked, and tells the subscribers why (TERM-01): those that live, at
   * once, and those that are stored and not back yet after a restart. Whether they may come back is for `authorize` to say.
   *
   * Resolves with how many, when that is stored: no restart brings them back then. Rejects when it could not be stored, or
   * the store cannot be read yet: what is known has ended by then, storing is tried again, and calling it again says whether
   * it is done. Whoever does not wait hears of that from `onError`.
   *
   * @throws TypeError for a filter that names something else than `id`, `name` or `principal`, or has `undefined` for one of
   * them, and for an error that is none of this extension's, such as `forbidden('revoked')` makes
   */
  terminate(filter: SubscriptionFilter, error: EventsError): Promise<number> {
    const ending = terminate(this.#parts, readSubscriptionFilter(filter), readEventsError(error));
    // Told to `onError` as well, so that one who does not wait for it does no harm.
    ending.catch(() => {});
    return ending;
  }

  /**
   * Events that were given up after their last attempt, oldest first (DELIV-08). Bounded in number and size. Those that are
   * damaged in the storage are left out, and reported to `onError` by their numbers.
   */
  async deadLetters(filter: DeadLetterFilter = {}): Promise<DeadLetter[]> {
    const { core, storage } = this.#parts;
    const found = await storage.deadLetters.find(readDeadLetterFilter(filter));
    return readDeadLetters(found, core.report).map(deadLetterOf);
  }

  /**
   * Delivers dead letters again, those whose subscription still lives, in the order of their events. They come outside of
   * the subscription's order, and are off the list when they are acknowledged. Resolves with how many are on their way now that were not before.
   */
  async redrive(filter: DeadLetterFilter = {}): Promise<number> {
    let redriven = 0;
    const { core, storage } = this.#parts;
    const found = await storage.deadLetters.find(readDeadLetterFilter(filter));
    const letters = readDeadLetters(found, core.report);
    for (const letter of inEventOrder(letters, (name) => core.catalog.get(name)?.feed)) {
      const subscription = core.registry.get(letter.subscriptionId);
      if (!(subscription instanceof WebhookSubscription)) continue;
      if (subscription.redeliver(eventOf(letter), letter.number)) redriven++;
    }
    return redriven;
  }

  /**
   * Forgets dead letters that nobody is to get any more; one that is being delivered again still is. Resolves with how many.
   *
   * @throws TypeError without a filter, as everything is named by `{ all: true }`, and for one with a member that does not exist,
   * is `undefined` or of another type
   */
  async discardDeadLetters(filter: DeadLetterFilter | { readonly all: true }): Promise<number> {
    const { deadLetters } = this.#parts.storage;
    const letters = await deadLetters.find(readDiscardFilter(filter));
    // Asked for together, so that an engine can store them together.
    await Promise.all(letters.map(async ({ number }) => deadLetters.delete(number)));
    return letters.length;
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
    return this.#parts.inspection;
  }

  /**
   * The outbox in an author's own SQLite database, for events that have to be stored together with the change they tell
   * of. Makes its tables there (`mcp_events_outbox...`) when they are missing. A database belongs to one server at a time;
   * close it after the server.
   *
   * @throws TypeError when a transaction is open on the handle, when it cannot say whether one is, and when the server has
   * an outbox in the same database by another handle, or the outbox belongs to the storage of another server.
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
  outbox(db: OutboxDatabase, options?: OutboxOptions): Outbox {
    return this.#parts.outboxes.open(db, options);
  }

  /**
   * The public key of `webhooks.signingKey`, to be served as `/.well-known/mcp-webhook-jwks.json` of the server's own
   * origin, where receivers trust it (SIG-13).
   */
  webhookKeys(): JwksDocument {
    return this.#parts.core.webhooks?.keySet() ?? { keys: [] };
  }

  /**
   * Ends everything: streams with their final frame, leases and webhook subscriptions with their hooks, sources and
   * timers. Stored webhook subscriptions stay stored, for the next run. Idempotent.
   *
   * Without a deadline attempts under way are cut, to be made again in the next run, and what has to be stored is waited
   * for; a later call may give one. Rejects when it cannot be stored. Throws a `TypeError` for a deadline that is no time, and
   * for other options.
   */
  close(options: CloseOptions = {}): Promise<void> {
    if (typeof options !== 'object' || options === null) {
      throw new TypeError('close() takes an object of options, as in close({ deadlineMs: 8_000 })');
    }
    refuseUnknown(options, ['deadlineMs'], 'the options of close()');
    const { deadlineMs } = options;
    const { clock, observer } = this.#parts.core;
    if (this.#closing !== undefined) {
      this.#deadline?.limit(deadlineMs);
      return this.#closing;
    }
    const deadline = new ShutdownDeadline(clock, deadlineMs);
    this.#deadline = deadline;
    observer?.closing(deadlineMs);
    this.#closing = this.#close(deadline).finally(() => deadline.clear());
    return this.#closing;
  }

  async #close(deadline: ShutdownDeadline): Promise<void> {
    const { core, outboxes, reauthorization, storage } = this.#parts;
    const { webhooks, leases, catalog, observer } = core;
    core.closed = true;
    reauthorization.close();
    const outboxesClosed = outboxes.close();
    const drained = deadline.given ? webhooks?.drain() : undefined;
    await this.#finishStreams();
    leases.close();
    await deadline.wait(outboxesClosed);
    await deadline.wait(drained);
    // After the last acknowledgement, so that the next run does not send again what was delivered.
    webhooks?.storeLast();
    await deadline.wait(webhooks?.persistence?.close());
    const attemptsCut = webhooks?.queues.running ?? 0;
    for (const subscription of webhookSubscriptionsOf(core)) void subscription.end('closed');
    await webhooks?.close();
    for (const { feed } of catalog.all()) feed.close();
    try {
      await deadline.wait(storage.close());
    } finally {
      observer?.closed(attemptsCut);
    }
  }

  /** Resolves when what was written had a turn of the event loop to leave the process. */
  async #finishStreams(): Promise<void> {
    const { core, listChanged } = this.#parts;
    for (const session of core.sessions) session.finish();
    listChanged.close();
    for (let turn = 0; turn < 2; turn++) {
      await new Promise<void>((resolve) => core.clock.setImmediate(resolve));
    }
  }
}
