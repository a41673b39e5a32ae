import { internalError } from '@mcp-events/protocol';
import type { EventsError } from '@mcp-events/protocol';
import type { EventType } from '../catalog/eventType.ts';
import type { Core } from '../core.ts';
import type { Persistence } from '../delivery/webhook/persistence.ts';
import type { Webhooks } from '../delivery/webhook/webhooks.ts';
import type { StoredSubscription } from '../storage/subscriptionStore.ts';
import { matchesFilter } from '../subscription/registry.ts';
import type { ReservedPlaces, SubscriptionFilter } from '../subscription/registry.ts';
import { Comeback } from './comeback.ts';
import { OwedHooks } from './owedHooks.ts';
import { StoredSubscriptions } from './storedSubscriptions.ts';
import type { Returning } from './storedSubscriptions.ts';

/** Subscriptions that come back at the same time, so that a slow source is not asked for all of them at once. */
const CONCURRENCY = 32;

/** Subscriptions after which requests get a turn: a few milliseconds. */
const RECORDS_PER_TURN = 64;

/** When what failed is tried again; doubles up to the longest. */
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 3_600_000;

/** How often stored subscriptions are looked through for such as have lapsed: all of them, which takes some milliseconds. */
const LOOK_MS = 10_000;

/** An end that concerns what is still to be read. */
interface Decision {
  readonly filter: SubscriptionFilter;
  readonly error: EventsError;
  readonly ends: Promise<boolean>[];
}

/**
 * Brings stored webhook subscriptions back to life, each when its event type is offered again (TTL-10, TTL-11). The first
 * ones are delivered to while the others are still being read, and nobody waits for the hooks of others.
 */
export class Restoration {
  readonly #core: Core;
  readonly #webhooks: Webhooks;
  readonly #persistence: Persistence;
  readonly #stored = new StoredSubscriptions();
  readonly #owedHooks: OwedHooks;
  readonly #comeback: Comeback;
  /** By id: those that are on their way back. */
  readonly #trying = new Map<string, Promise<void>>();
  /** Ids that were read, for when reading begins anew: what has ended since does not come back. */
  readonly #known = new Set<string>();
  /** Until everything was read. */
  #decisions: Decision[] | undefined = [];
  #loading: Promise<void>;
  /** When they were last looked through. */
  #lookedAtMs = -Infinity;

  constructor(core: Core, webhooks: Webhooks, persistence: Persistence) {
    this.#core = core;
    this.#webhooks = webhooks;
    this.#persistence = persistence;
    this.#owedHooks = new OwedHooks(core, webhooks, persistence);
    this.#comeback = new Comeback(core, webhooks, persistence, this.#stored);
    this.#loading = this.#load(0);
  }

  /** An event type is offered. */
  begin(type: EventType): void {
    this.#owedHooks.release(type);
    const returning = this.#stored.of(type.name);
    if (returning === undefined) return;
    for (const [id, record] of returning.stored) returning.untried.set(id, record);
    this.#run(returning);
  }

  /** Resolves when it is known what is stored. Rejects with InternalError while the store cannot be read. */
  read(): Promise<void> {
    return this.#loading;
  }

  /**
   * Resolves when this subscription, if it is stored, is live again, or could not come back now. Rejects with InternalError
   * while the store cannot be read.
   */
  async restored(name: string, id: string): Promise<void> {
    await this.#loading;
    const returning = this.#stored.of(name);
    const record = returning?.untried.get(id);
    const isOffered = this.#core.catalog.get(name) !== undefined;
    if (returning !== undefined && record !== undefined && isOffered && !this.#core.closed) {
      // Its client is here: it does not wait for its turn among the others.
      returning.untried.delete(id);
      await this.#try(returning, record);
      this.#retryFailed(returning);
    } else await this.#trying.get(id);
  }

  /** Whether a subscription is stored that is not live. */
  has(id: string): boolean {
    return this.#stored.has(id);
  }

  /** Where a subscription stands that is stored, has not lapsed, and is not live. */
  positionOf(name: string, id: string): Pick<StoredSubscription, 'cursor' | 'gapAfter'> | undefined {
    const record = this.#stored.get(name, id);
    return record === undefined || this.#comeback.hasExpired(record) ? undefined : record;
  }

  /** Places kept for stored subscriptions other than this one. */
  reserved(principal: string | undefined, name: string, id: string): ReservedPlaces {
    this.#endLapsed();
    return this.#stored.reserved(principal, name, id);
  }

  /** Nobody tries those whose event type is not offered: their places must not be kept beyond what was granted (TTL-07). */
  #endLapsed(): void {
    const nowMs = this.#core.clock.monotonicMs();
    if (nowMs - this.#lookedAtMs < LOOK_MS) return;
    this.#lookedAtMs = nowMs;
    for (const record of this.#stored.find({})) {
      if (this.#comeback.hasExpired(record)) void this.end(record.name, record.id);
    }
  }

  /** Gives up a subscription that is not live, for one that has its place. */
  forget(name: string, id: string): void {
    this.#stored.delete(name, id);
    this.#owedHooks.forget(name, id);
  }

  /**
   * Ends a subscription that is not live, at the wish of its client. `undefined` when there is none; else resolves with
   * whether that is stored, when it is or has failed.
   */
  end(name: string, id: string): Promise<boolean> | undefined {
    const record = this.#stored.get(name, id);
    if (record === undefined) return undefined;
    this.#stored.delete(name, id);
    return this.#owedHooks.dispose(record);
  }

  /**
   * Ends subscriptions that are not live, also those that are still to be read, and tells their endpoints why (TERM-01).
   * Resolves, when all were read, with whether each end is stored. Rejects with InternalError while the store cannot be
   * read: then those that are read later are ended all the same.
   */
  async terminate(filter: SubscriptionFilter, error: EventsError): Promise<readonly boolean[]> {
    const decision: Decision = { filter, error, ends: [] };
    for (const record of this.#stored.find(filter)) decision.ends.push(this.#terminate(record, error));
    this.#decisions?.push(decision);
    await this.#loading;
    return Promise.all(decision.ends);
  }

  #terminate(record: StoredSubscription, error: EventsError): Promise<boolean> {
    this.#stored.delete(record.name, record.id);
    const told = this.#comeback.tellEnd(record, error);
    return told === undefined || record.owesUnsubscribe === true ? this.#owedHooks.dispose(record) : told;
  }

  #load(failures: number): Promise<void> {
    const loading = this.#read().catch((error: unknown) => {
      this.#core.report(error, 'storage');
      const again = (): void => {
        this.#loading = this.#load(failures + 1);
      };
      if (!this.#core.closed) this.#webhooks.retryIn(delayMs(failures), again);
      throw internalError('Webhook subscriptions are not available at the moment');
    });
    loading.catch(() => {});
    return loading;
  }

  async #read(): Promise<void> {
    await this.#persistence.load((record) => {
      if (this.#known.has(record.id)) return;
      this.#known.add(record.id);
      const decision = this.#decisions?.find(({ filter }) => matchesFilter(filter, record));
      // Also that of an event type which is never offered again.
      if (this.#comeback.hasExpired(record)) void this.#owedHooks.dispose(record);
      else if (decision !== undefined) decision.ends.push(this.#terminate(record, decision.error));
      else {
        const returning = this.#stored.set(record);
        returning.untried.set(record.id, record);
        this.#run(returning);
      }
    });
    this.#known.clear();
    this.#decisions = undefined;
  }

  #run(returning: Returning): void {
    const isOffered = this.#core.catalog.get(returning.name) !== undefined;
    if (returning.running !== undefined || returning.untried.size === 0 || !isOffered || this.#core.closed) return;
    returning.running = this.#restore(returning).finally(() => {
      returning.running = undefined;
      this.#run(returning);
    });
  }

  async #restore(returning: Returning): Promise<void> {
    const { catalog } = this.#core;
    const { name, untried, failed } = returning;
    let count = 0;
    const worker = async (): Promise<void> => {
      // A type that is withdrawn meanwhile leaves the rest for when it is offered again.
      while (!this.#core.closed && catalog.get(name) !== undefined) {
        if (++count % RECORDS_PER_TURN === 0) await this.#turn();
        const next = untried.values().next();
        if (next.done === true) return;
        // Without a turn in between: a client that comes finds it here, or among those that are tried.
        untried.delete(next.value.id);
        await this.#try(returning, next.value);
      }
    };
    // What is read in this turn comes along.
    await this.#turn();
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    if (failed.size === 0) returning.failures = 0;
    this.#retryFailed(returning);
  }

  async #try(returning: Returning, record: StoredSubscription): Promise<void> {
    const { id } = record;
    const attempt = this.#restoreOne(record).catch((error: unknown) => {
      this.#core.report(error, 'restore', record.name);
      returning.failed.add(id);
    });
    this.#trying.set(id, attempt);
    await attempt;
    if (this.#trying.get(id) === attempt) this.#trying.delete(id);
  }

  async #restoreOne(record: StoredSubscription): Promise<void> {
    // A new subscription may have its place.
    if (this.#stored.get(record.name, record.id) !== record) return;
    if (!this.#comeback.hasExpired(record)) await this.#comeback.run(record);
    else await this.end(record.name, record.id);
  }

  #retryFailed(returning: Returning): void {
    const { failed, stored, untried } = returning;
    if (failed.size === 0 || returning.retryWaits || this.#core.closed) return;
    returning.retryWaits = true;
    this.#webhooks.retryIn(delayMs(returning.failures++), () => {
      returning.retryWaits = false;
      for (const id of failed) {
        const record = stored.get(id);
        if (record !== undefined) untried.set(id, record);
      }
      failed.clear();
      this.#run(returning);
    });
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#core.clock.setImmediate(resolve));
  }
}

function delayMs(failures: number): number {
  return Math.min(RETRY_MS * 2 ** failures, LONGEST_RETRY_MS);
}
