import { Catalog } from './catalog/catalog.ts';
import { EventTypes } from './catalog/eventTypes.ts';
import { systemClock } from './clock.ts';
import type { Core } from './core.ts';
import { countedIds, RUN_ID_LENGTH } from './countedIds.ts';
import { Heartbeats } from './delivery/push/heartbeats.ts';
import type { PushSession } from './delivery/push/pushSession.ts';
import { TurnFlusher } from './delivery/push/turnFlusher.ts';
import { Webhooks } from './delivery/webhook/webhooks.ts';
import { WebhookSubscription } from './delivery/webhook/webhookSubscription.ts';
import { EndedSubscriptions } from './inspection/endedSubscriptions.ts';
import { Inspection } from './inspection/inspection.ts';
import { resolveLimits } from './limits.ts';
import { readNumber } from '@mcp-events/protocol/options';
import { gaugesOf } from './observability/gauges.ts';
import { Observer } from './observability/observer.ts';
import { createReporting } from './observability/reporting.ts';
import { ReportingCalls } from './observability/reportingCalls.ts';
import { headerSafeId } from './occurrence/headerSafeId.ts';
import type { EventsOptions } from './options.ts';
import { Outboxes } from './outbox/outboxes.ts';
import { defaultPrincipal } from './requests/caller.ts';
import { createHandlers } from './requests/handlers.ts';
import type { RequestHandler } from './requests/handlers.ts';
import { SubscribeCalls } from './requests/subscribeCalls.ts';
import { Admissions } from './subscription/admissions.ts';
import { Restoration } from './restoration/restoration.ts';
import { memoryStorage } from './storage/memoryStorage.ts';
import type { Storage } from './storage/storage.ts';
import { Leases } from './subscription/leases.ts';
import { Lifecycle } from './subscription/lifecycle.ts';
import { Reauthorization } from './subscription/reauthorization.ts';
import { Registry } from './subscription/registry.ts';
import { Selection } from './subscription/selection.ts';
import { ListChanged } from './transport/listChanged.ts';
import type { RequestSlots } from './transport/slots.ts';
import { terminate } from './termination.ts';

/** Streams must show life at least this often (PUSH-10). */
const LONGEST_HEARTBEAT_MS = 30_000;

/** What {@link Events} hands its calls to. */
export interface Parts {
  readonly core: Core;
  readonly storage: Storage;
  readonly eventTypes: EventTypes;
  readonly outboxes: Outboxes;
  /** `undefined` where nothing is stored. */
  readonly restoration: Restoration | undefined;
  readonly inspection: Inspection;
  readonly reauthorization: Reauthorization;
  readonly handlers: ReadonlyMap<string, RequestHandler>;
  readonly listChanged: ListChanged;
  readonly slots: RequestSlots;
}

/** Makes the parts of one server and tells them of each other. Throws a `TypeError` that names the wrong option. */
export function compose(options: EventsOptions): Parts {
  const clock = options.clock ?? systemClock;
  const limits = resolveLimits(options.limits);
  const dialect = options.dialect ?? 'auto';
  const randomId = options.randomId ?? (() => crypto.randomUUID());
  const createRunId = (): string => randomId().replaceAll('-', '').slice(0, RUN_ID_LENGTH);
  const { logger, telemetry } = options;
  const reportingCalls = new ReportingCalls();
  const isObserved = logger !== undefined || telemetry !== undefined;
  const observer = isObserved ? new Observer(clock, logger, telemetry, reportingCalls) : undefined;
  const { report, warn } = createReporting(options, observer, reportingCalls);
  const storage = opened(options.storage) ?? memoryStorage({ clock, createEpoch: createRunId });
  const lifecycle = new Lifecycle(clock, limits.hookMs, report);
  const ended = new EndedSubscriptions(clock);
  const leases = new Leases(clock);
  const registry = new Registry(
    limits,
    {
      added: (subscription) => observer?.started(subscription),
      removed: (subscription) => {
        // Nothing has ended for its client.
        if (subscription instanceof WebhookSubscription && subscription.comesBack) return;
        ended.add(subscription);
        observer?.ended(subscription);
      },
    },
    () => leases.giveUpAnonymous() || finishAnonymousStream(core.sessions),
  );
  const namespace = options.namespace ?? 'mcp-events';
  const createEventId = countedIds(`evt_${createRunId()}`);
  const createStreamId = (): string => `push_${randomId()}`;
  const ids = { namespace, createStreamId, createEventId, eventIdOf: headerSafeId };
  const environment = { ...ids, clock, limits, closed: false, observer, report };
  const core: Core = Object.assign(environment, {
    catalog: new Catalog(
      readNumber(options.pageSize ?? 100, { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true }, 'pageSize'),
    ),
    registry,
    leases,
    lifecycle,
    selection: new Selection(clock, limits.hookMs, limits.maxPayloadBytes),
    heartbeats: new Heartbeats(
      clock,
      positive(options.heartbeatIntervalMs ?? 15_000, LONGEST_HEARTBEAT_MS, 'heartbeatIntervalMs'),
    ),
    flusher: new TurnFlusher(clock),
    sessions: new Set<PushSession>(),
    subscribeCalls: new SubscribeCalls(),
    admissions: new Admissions(),
    webhooks:
      options.webhooks &&
      new Webhooks(environment, options.webhooks, {
        registry,
        lifecycle,
        randomId,
        storage,
        warn: (message, name) => warn(message, { stage: 'webhook', name }),
      }),
    restored: (name: string, id: string) => restoration?.restored(name, id),
    recordsRead: () => restoration?.read(),
    reservedPlaces: (principal: string | undefined, name: string, id: string) =>
      restoration?.reserved(principal, name, id),
    hasStored: (id: string) => restoration?.has(id) ?? false,
    storedPosition: (name: string, id: string) => restoration?.positionOf(name, id),
    forgetStored: (name: string, id: string) => restoration?.forget(name, id),
    endStored: (name: string, id: string) => restoration?.end(name, id),
  });
  const { webhooks } = core;
  const restoration = webhooks?.persistence && new Restoration(core, webhooks, webhooks.persistence);
  const listChanged = new ListChanged();
  const eventTypes = new EventTypes({
    core,
    storage,
    onWarning: warn,
    breakingChanges: breakingChangesOf(options),
    terminate: (filter, error) => terminate({ core, restoration }, filter, error),
    onChange: () => listChanged.notify(),
    onDefined: (type) => {
      restoration?.begin(type);
      outboxes.wake();
    },
  });
  const outboxes = new Outboxes({
    environment: core,
    storage,
    emission: (name) => eventTypes.emission(name),
    warn: (message) => warn(message, { stage: 'outbox' }),
    createId: randomId,
  });
  observer?.watch(gaugesOf(core, outboxes));
  const slots: RequestSlots = new WeakMap();
  return {
    core,
    storage,
    eventTypes,
    outboxes,
    restoration,
    inspection: new Inspection({ core, storage, ended, outboxes }),
    reauthorization: new Reauthorization({
      clock,
      intervalMs: positive(options.reauthorizeIntervalMs ?? 60_000, 2 ** 31 - 1, 'reauthorizeIntervalMs'),
      subscriptions: () => [...core.sessions, ...webhookSubscriptionsOf(core)],
      authorize: async (subscription) => {
        const type = core.catalog.get(subscription.name);
        if (type !== undefined) await lifecycle.authorize(type.compiled.definition, subscription);
      },
    }),
    handlers: createHandlers({
      core,
      callerRules: { principal: options.principal ?? defaultPrincipal, dialect },
      slots,
    }),
    listChanged,
    slots,
  };
}

/** Ends the oldest stream of a caller that nobody can name, for one that is authenticated; its client may come back. */
function finishAnonymousStream(sessions: Iterable<PushSession>): boolean {
  for (const session of sessions) {
    if (session.principal !== undefined) continue;
    session.finish();
    return true;
  }
  return false;
}

/** All that live. */
export function webhookSubscriptionsOf({ webhooks, registry }: Core): WebhookSubscription[] {
  if (webhooks === undefined) return [];
  return registry.find().filter((subscription) => subscription instanceof WebhookSubscription);
}

function opened(storage: Storage | undefined): Storage | undefined {
  // What opens a storage gives a promise of it, and without types nothing else tells of a forgotten `await`.
  if (storage == null || typeof storage.openLog === 'function') return storage;
  throw new TypeError('storage must be an open storage; wait for it, as in storage: await openSqliteStorage({ file })');
}

function breakingChangesOf({ breakingChanges = 'apply' }: EventsOptions): 'apply' | 'refuse' {
  if (breakingChanges === 'apply' || breakingChanges === 'refuse') return breakingChanges;
  throw new TypeError(`breakingChanges must be 'apply' or 'refuse', not ${JSON.stringify(breakingChanges)}`);
}

function positive(value: number, most: number, name: string): number {
  if (typeof value === 'number' && value > 0 && value <= most) return value;
  throw new TypeError(`${name} must be a number above 0 and at most ${most}, not ${String(value)}`);
}
