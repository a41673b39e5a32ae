import { resourceExhausted } from '@mcp-events/protocol';
import type { Limits } from '../limits.ts';
import type { Subscription } from './subscription.ts';

/** Which subscriptions an operation concerns; absent members do not restrict. */
export interface SubscriptionFilter {
  readonly id?: string;
  readonly name?: string;
  /** `null` for those without a principal. */
  readonly principal?: string | null;
}

/** Places under the limits that are kept for stored subscriptions, which come back. */
export interface ReservedPlaces {
  readonly all: number;
  /** Of the principal that asks. */
  readonly ofPrincipal: number;
}

const NONE: ReservedPlaces = { all: 0, ofPrincipal: 0 };

/** Whether an operation of this filter concerns the subscription. */
export function matchesFilter(
  { id, name, principal }: SubscriptionFilter,
  subscription: Pick<Subscription, 'id' | 'name' | 'principal'>,
): boolean {
  return (
    (id === undefined || subscription.id === id) &&
    (name === undefined || subscription.name === name) &&
    (principal === undefined || (subscription.principal ?? null) === principal)
  );
}

/** Hears of subscriptions that come and go. */
export interface RegistryListener {
  added(subscription: Subscription): void;
  removed(subscription: Subscription): void;
}

/** Every live subscription of the server, in all modes: counted, found, and ended from here. */
export class Registry {
  readonly #limits: Pick<Limits, 'subscriptions' | 'subscriptionsPerPrincipal'>;
  readonly #listener: RegistryListener | undefined;
  /** Ends something that may give way to an authenticated caller; `false` when there is nothing. */
  readonly #makeRoom: () => boolean;
  #lastOrder = 0;
  readonly #byId = new Map<string, Subscription>();
  readonly #byName = new Map<string, Set<Subscription>>();
  readonly #countByPrincipal = new Map<string, number>();

  constructor(
    limits: Pick<Limits, 'subscriptions' | 'subscriptionsPerPrincipal'>,
    listener?: RegistryListener,
    makeRoom: () => boolean = () => false,
  ) {
    this.#limits = limits;
    this.#listener = listener;
    this.#makeRoom = makeRoom;
  }

  get size(): number {
    return this.#byId.size;
  }

  /**
   * Counts the subscription, or throws ResourceExhausted (ERR-04). Checking and counting are one step without an
   * await, so subscriptions that are being set up at the same time cannot pass a limit together.
   */
  add(subscription: Subscription, reserved: ReservedPlaces = NONE): void {
    const { principal, name, id } = subscription;
    const count = principal === undefined ? 0 : (this.#countByPrincipal.get(principal) ?? 0);
    if (principal !== undefined && count + reserved.ofPrincipal >= this.#limits.subscriptionsPerPrincipal) {
      throw resourceExhausted('subscriptionsPerPrincipal', this.#limits.subscriptionsPerPrincipal);
    }
    const isFull = this.#byId.size + reserved.all >= this.#limits.subscriptions;
    if (isFull && !(principal !== undefined && this.#makeRoom())) {
      throw resourceExhausted('subscriptions', this.#limits.subscriptions);
    }
    if (principal !== undefined) this.#countByPrincipal.set(principal, count + 1);
    subscription.order = ++this.#lastOrder;
    this.#byId.set(id, subscription);
    const sameName = this.#byName.get(name);
    if (sameName === undefined) this.#byName.set(name, new Set([subscription]));
    else sameName.add(subscription);
    this.#listener?.added(subscription);
  }

  /** Idempotent. */
  remove(subscription: Subscription): void {
    const { principal, name, id } = subscription;
    if (this.#byId.get(id) !== subscription) return;
    this.#byId.delete(id);
    this.#listener?.removed(subscription);
    const sameName = this.#byName.get(name);
    sameName?.delete(subscription);
    if (sameName?.size === 0) this.#byName.delete(name);
    if (principal === undefined) return;
    const count = (this.#countByPrincipal.get(principal) ?? 1) - 1;
    if (count === 0) this.#countByPrincipal.delete(principal);
    else this.#countByPrincipal.set(principal, count);
  }

  get(id: string): Subscription | undefined {
    return this.#byId.get(id);
  }

  /** In the order they came. */
  all(): Iterable<Subscription> {
    return this.#byId.values();
  }

  find(filter: SubscriptionFilter = {}): Subscription[] {
    const { id, name } = filter;
    if ('principal' in filter && filter.principal === undefined) {
      // Taken as "any" it would concern everybody, when somebody's unknown name was meant.
      throw new TypeError('principal must not be undefined; leave it out for all, or give null for anonymous callers');
    }
    return this.#candidates(id, name).filter((subscription) => matchesFilter(filter, subscription));
  }

  #candidates(id: string | undefined, name: string | undefined): Subscription[] {
    if (id === undefined) return name === undefined ? [...this.#byId.values()] : [...(this.#byName.get(name) ?? [])];
    const subscription = this.#byId.get(id);
    return subscription === undefined ? [] : [subscription];
  }
}
