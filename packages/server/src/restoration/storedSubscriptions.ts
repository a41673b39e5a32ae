import type { StoredSubscription } from '../storage/subscriptionStore.ts';
import { matchesFilter } from '../subscription/registry.ts';
import type { ReservedPlaces, SubscriptionFilter } from '../subscription/registry.ts';

/** Of one event type. */
export interface Returning {
  readonly name: string;
  /** By id: stored, and not live. */
  readonly stored: Map<string, StoredSubscription>;
  /** Of these, in no order, what is to be tried now. */
  readonly untried: Map<string, StoredSubscription>;
  /** Of these, what could not come back, and waits to be tried again. */
  readonly failed: Set<string>;
  /** Times in a row that some of them failed. */
  failures: number;
  /** Whether that is scheduled. */
  retryWaits: boolean;
  running: Promise<void> | undefined;
}

/** What is stored and not live, by event type. */
export class StoredSubscriptions {
  readonly #byName = new Map<string, Returning>();
  readonly #countByPrincipal = new Map<string, number>();
  #count = 0;

  of(name: string): Returning | undefined {
    return this.#byName.get(name);
  }

  get(name: string, id: string): StoredSubscription | undefined {
    return this.#byName.get(name)?.stored.get(id);
  }

  has(id: string): boolean {
    for (const { stored } of this.#byName.values()) if (stored.has(id)) return true;
    return false;
  }

  /** Adds a record, or replaces one of the same id. */
  set(record: StoredSubscription): Returning {
    const { id, name, principal } = record;
    let returning = this.#byName.get(name);
    if (returning === undefined) {
      const sets = { stored: new Map(), untried: new Map(), failed: new Set<string>() };
      returning = { name, ...sets, failures: 0, retryWaits: false, running: undefined };
      this.#byName.set(name, returning);
    }
    if (!returning.stored.has(id)) this.#add(principal, 1);
    returning.stored.set(id, record);
    return returning;
  }

  /** `false` when there is none. */
  delete(name: string, id: string): boolean {
    const returning = this.#byName.get(name);
    const record = returning?.stored.get(id);
    if (returning === undefined || record === undefined) return false;
    returning.stored.delete(id);
    returning.untried.delete(id);
    returning.failed.delete(id);
    this.#add(record.principal, -1);
    return true;
  }

  find(filter: SubscriptionFilter): StoredSubscription[] {
    const found: StoredSubscription[] = [];
    for (const { stored } of this.#byName.values()) {
      for (const record of stored.values()) if (matchesFilter(filter, record)) found.push(record);
    }
    return found;
  }

  /** Places kept for those that come back, other than the one of this id. */
  reserved(principal: string | undefined, name: string, id: string): ReservedPlaces {
    const own = this.get(name, id) === undefined ? 0 : 1;
    const ofPrincipal = principal === undefined ? 0 : (this.#countByPrincipal.get(principal) ?? 0);
    return { all: this.#count - own, ofPrincipal: ofPrincipal - own };
  }

  #add(principal: string, change: 1 | -1): void {
    this.#count += change;
    const count = (this.#countByPrincipal.get(principal) ?? 0) + change;
    if (count === 0) this.#countByPrincipal.delete(principal);
    else this.#countByPrincipal.set(principal, count);
  }
}
