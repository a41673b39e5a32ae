import type { DeliveryMode, LastError } from '@mcp-events/protocol';
import { checkMembers, numberOf, object, oneOf } from '@mcp-events/protocol/options';
import { CheckFeed } from '../feed/checkFeed.ts';
import { LogFeed } from '../feed/logFeed.ts';
import { PushSession } from '../delivery/push/pushSession.ts';
import { WebhookSubscription } from '../delivery/webhook/webhookSubscription.ts';
import { lagOf, queueLengths } from '../observability/gauges.ts';
import type { Outboxes } from '../outbox/outboxes.ts';
import type { DeadLetterFilter, StoredDeadLetter } from '../storage/deadLetterStore.ts';
import { readDeadLetters } from '../storage/readDeadLetters.ts';
import { readDeadLetterFilter } from '../storage/readDeadLetterFilter.ts';
import { PollSubscription } from '../subscription/pollSubscription.ts';
import type { SubscriptionFilter } from '../subscription/registry.ts';
import { readSubscriptionFilter } from '../termination.ts';
import type { Subscription } from '../subscription/subscription.ts';
import type { Explanation } from './explanation.ts';
import { listEvents } from './listEvents.ts';
import type { InspectedEvent } from './listEvents.ts';
import { why } from './why.ts';
import type { WhyOptions } from './why.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;

/** Which part of a long list is wanted. */
export interface PageRequest {
  /** `next` of the page before. */
  readonly after?: number | undefined;
  /** Most entries of the page. Default 100, at most 1,000. */
  readonly limit?: number | undefined;
}

/** A part of a list, and where it goes on; `next` is absent at its end. */
export interface Page<T> {
  readonly entries: readonly T[];
  readonly next?: number;
}

/** One delivery that is neither acknowledged nor given up. */
export interface InspectedDelivery {
  readonly kind: 'event' | 'gap' | 'terminated';
  /** `null` of a gap and of an end. */
  readonly eventId: string | null;
  /** Value of the header `webhook-id`, the same in every attempt. */
  readonly webhookId: string;
  /** `queued` for its first attempt; `sending`; `waiting` for the next one, or for the end of a suspension. */
  readonly state: 'queued' | 'sending' | 'waiting';
  /** Attempts that were begun. */
  readonly attempts: number;
  /** ISO 8601; `null` when it is under way, or waits for the end of a suspension. */
  readonly nextAttemptAt: string | null;
  /** Why the last attempt failed; `null` when none has. */
  readonly lastError: LastError | null;
  /** What kept this machine from sending it the last time, such as `EMFILE`; `null` when nothing did. */
  readonly localFault: string | null;
}

/** How the delivery of a webhook subscription goes. Times are ISO 8601. */
export interface InspectedLane {
  /** As the client sent it: it may hold a secret of the client's. */
  readonly url: string;
  /** Of the URL: what attempts are scheduled and limited by. */
  readonly host: string;
  /** Whether deliveries are sent one at a time; those behind the first are `waiting` then. */
  readonly ordered: boolean;
  /** When it ends without a refresh; `null` for never. */
  readonly refreshBefore: string | null;
  /** `null` while it is not suspended. */
  readonly suspendedSince: string | null;
  /** Since when no attempt has succeeded; `null` when the last one did. */
  readonly failingSince: string | null;
  /** Why the last attempt of all failed; `null` when it did not. */
  readonly lastError: LastError | null;
  /** Events were lost that the client may not know of yet. */
  readonly owesGap: boolean;
  /** In the order of their events. */
  readonly deliveries: readonly InspectedDelivery[];
}

/** One live subscription, in any mode. */
export interface InspectedSubscription {
  readonly id: string;
  readonly mode: DeliveryMode;
  /** Of the event type. */
  readonly name: string;
  /** `undefined` of anonymous callers. */
  readonly principal: string | undefined;
  /** As the client sent them. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Everything up to here was acknowledged (webhook), written (push), or answered (poll). `null` without positions. */
  readonly cursor: string | null;
  /** Events between the position and the end of the log; `null` where there is no log. Polls: at the last answer's position. */
  readonly lag: number | null;
  /** When the last poll was answered, ISO 8601. Of polls. */
  readonly lastPollAt?: string | null;
  /** Of webhook subscriptions. */
  readonly lane?: InspectedLane;
}

/** One event type on offer. */
export interface InspectedType {
  readonly name: string;
  /** Where subscribers read: a log, the author's `check`, or only what is emitted while they are there (`replay: false`). */
  readonly source: 'log' | 'check' | 'live';
  /** Live subscriptions. */
  readonly subscriptions: number;
  /** Positions of the newest and the oldest event that can be read, and how many there are. Of types with a log. */
  readonly log?: { readonly head: number; readonly oldest: number; readonly retained: number };
}

/** A dead letter without its payload, which `events.deadLetters()` has. */
export type InspectedDeadLetter = Omit<StoredDeadLetter, 'dataJson' | '_meta'> & { readonly number: number };

export interface InspectionOptions extends WhyOptions {
  readonly outboxes: Outboxes;
}

/**
 * What a server holds at the moment, for operators: reads only, in bounded pages. Nothing of it is for clients; callback
 * URLs are complete. Payloads and secrets are left out.
 */
export class Inspection {
  readonly #options: InspectionOptions;

  /** Use `events.inspect()`. */
  constructor(options: InspectionOptions) {
    this.#options = options;
  }

  /** Live subscriptions of all modes, in the order they came. Throws a `TypeError` for a limit that is none. */
  subscriptions(
    filter: SubscriptionFilter & { readonly mode?: DeliveryMode } = {},
    request: PageRequest = {},
  ): Page<InspectedSubscription> {
    object(filter, 'the filter');
    const { after, limit } = readPage(request, 0);
    const { registry } = this.#options.core;
    const { mode, ...rest } = filter;
    if (mode !== undefined) oneOf('poll', 'push', 'webhook')(mode, 'mode of the filter');
    const wanted = registry
      .find(readSubscriptionFilter(rest))
      .filter((subscription) => subscription.order > after && (mode === undefined || subscription.mode === mode))
      .toSorted((one, other) => one.order - other.order);
    return page(
      wanted,
      limit,
      (subscription) => subscription.order,
      (subscription) => this.#describe(subscription),
    );
  }

  /** One live subscription. */
  subscription(id: string): InspectedSubscription | undefined {
    const subscription = this.#options.core.registry.get(id);
    return subscription && this.#describe(subscription);
  }

  /** The event types on offer. */
  types(): InspectedType[] {
    const { catalog, registry } = this.#options.core;
    return catalog.all().map(({ name, feed }) => {
      const subscriptions = registry.find({ name }).length;
      if (feed instanceof LogFeed) {
        const { head, oldest } = feed;
        return { name, source: 'log', subscriptions, log: { head, oldest, retained: head - oldest + 1 } };
      }
      return { name, source: feed instanceof CheckFeed ? 'check' : 'live', subscriptions };
    });
  }

  /**
   * What the log of an event type retains, the newest first, without payloads: ids for {@link why}. `after` is the position
   * below which the page begins. Rejects with a `TypeError` for a type that is not on offer or keeps no log.
   */
  async events(name: string, request: PageRequest = {}): Promise<Page<InspectedEvent>> {
    const { after, limit } = readPage(request, Infinity);
    const { catalog, clock } = this.#options.core;
    const feed = catalog.get(name)?.feed;
    if (feed === undefined) throw new TypeError(`there is no event type ${JSON.stringify(name)}`);
    if (!(feed instanceof LogFeed))
      throw new TypeError(`${name} keeps no log: its events come from a check, or are not kept`);
    const entries = await listEvents(clock, feed, after, limit);
    const last = entries.at(-1);
    return last === undefined || last.position <= feed.oldest ? { entries } : { entries, next: last.position };
  }

  /** What waits, by queue: the metric `mcp_events.queue`. */
  queues(): Readonly<Record<string, number>> {
    return queueLengths(this.#options.core, this.#options.outboxes);
  }

  /** Dead letters without their payloads, oldest first. A page is shorter by those that are damaged, which `onError` gets. */
  async deadLetters(
    filter: Omit<DeadLetterFilter, 'number'> = {},
    request: PageRequest = {},
  ): Promise<Page<InspectedDeadLetter>> {
    const { after, limit } = readPage(request, 0);
    // One more says whether there is a next page.
    const { core, storage } = this.#options;
    const found = await storage.deadLetters.find(readDeadLetterFilter(filter), { after, limit: limit + 1 });
    const { entries, ...next } = page(
      found,
      limit,
      ({ number }) => number,
      (letter) => letter,
    );
    const letters = readDeadLetters(entries, core.report);
    return { entries: letters.map(({ dataJson: _data, _meta, ...letter }) => letter), ...next };
  }

  /**
   * Why a subscription did not get an event, or that it did. Calls the author's `match`, `transform` and `authorize` to find
   * out. Looks through at most the newest 100,000 events of the log.
   */
  why(subscriptionId: string, eventId: string): Promise<Explanation> {
    return why(this.#options, subscriptionId, eventId);
  }

  #describe(subscription: Subscription): InspectedSubscription {
    const { id, mode, name, principal, rawArguments } = subscription;
    const feed = this.#options.core.catalog.get(name)?.feed;
    const cursor = positionOf(subscription);
    const lag = feed instanceof LogFeed ? lagOf(feed, subscription) : null;
    const described = { id, mode, name, principal, arguments: rawArguments, cursor, lag };
    if (subscription instanceof PollSubscription) {
      return { ...described, lastPollAt: isoTime(subscription.lastAnswer?.atMs) };
    }
    return subscription instanceof WebhookSubscription ? { ...described, lane: laneOf(subscription) } : described;
  }
}

function page<T, Entry>(
  wanted: readonly T[],
  limit: number,
  placeOf: (item: T) => number,
  describe: (item: T) => Entry,
): Page<Entry> {
  const items = wanted.slice(0, limit);
  const last = items.at(-1);
  const entries = items.map((item) => describe(item));
  return last === undefined || items.length === wanted.length ? { entries } : { entries, next: placeOf(last) };
}

/** Throws a `TypeError` for a page that cannot be asked for. */
function readPage(request: PageRequest, first: number): { readonly after: number; readonly limit: number } {
  const after = numberOf({ least: 0, unlimited: true });
  const limit = numberOf({ least: 1, most: MAX_LIMIT, whole: true });
  checkMembers<Required<PageRequest>>(request, { after, limit }, 'the request of a page');
  return { after: request.after ?? first, limit: request.limit ?? DEFAULT_LIMIT };
}

function positionOf(subscription: Subscription): string | null {
  if (subscription instanceof PollSubscription) return subscription.lastAnswer?.cursor ?? null;
  return subscription instanceof WebhookSubscription || subscription instanceof PushSession
    ? subscription.cursor
    : null;
}

function laneOf({ url, host, refreshBeforeMs, lane }: WebhookSubscription): InspectedLane {
  return {
    url,
    host,
    ordered: lane.ordered,
    refreshBefore: isoTime(refreshBeforeMs ?? undefined),
    suspendedSince: isoTime(lane.suspendedAtMs),
    failingSince: isoTime(lane.failedSinceMs),
    lastError: lane.lastError,
    owesGap: lane.owesGap,
    deliveries: [...lane.deliveries].map((delivery) => {
      const { kind, event, webhookId, state, attempts, lastError, localFault } = delivery;
      return {
        kind,
        eventId: event?.eventId ?? null,
        webhookId,
        // What has settled is not in a lane any more.
        state: state === 'settled' ? 'waiting' : state,
        attempts,
        nextAttemptAt: isoTime(lane.nextAttemptAtMs(delivery)),
        lastError: lastError ?? null,
        localFault: localFault ?? null,
      };
    }),
  };
}

function isoTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
