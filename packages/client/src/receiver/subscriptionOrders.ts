import type { ArrivalOrder } from './arrivalOrder.ts';

/**
 * Orders kept while nothing waits in them. One that is forgotten is made again from the last place it released, which is
 * what the next event names.
 */
const MAX_IDLE_ORDERS = 1_000;

/** Last places kept of those that were forgotten, as many as a store keeps marks of messages. */
const MAX_LAST_PLACES = 20_000;

/** The orders of many subscriptions, bounded: a subscription that ended does not say so, and its id may come again. */
export class SubscriptionOrders<T> {
  readonly #make: (subscriptionId: string, passed: readonly string[]) => ArrivalOrder<T>;
  /** The one used last is the last one. */
  readonly #orders = new Map<string, ArrivalOrder<T>>();
  readonly #lastPlaces = new Map<string, string>();

  /** @param make makes the order of a subscription that goes on behind the places given */
  constructor(make: (subscriptionId: string, passed: readonly string[]) => ArrivalOrder<T>) {
    this.#make = make;
  }

  /** How many are in memory. */
  get size(): number {
    return this.#orders.size;
  }

  [Symbol.iterator](): Iterator<ArrivalOrder<T>> {
    return this.#orders.values();
  }

  /** @param passed places behind which one that is new here goes on; default: as far as it is remembered */
  get(subscriptionId: string, passed?: readonly string[]): ArrivalOrder<T> {
    const known = this.#orders.get(subscriptionId);
    const last = this.#lastPlaces.get(subscriptionId);
    const order = known ?? this.#make(subscriptionId, passed ?? (last === undefined ? [] : [last]));
    this.#orders.delete(subscriptionId);
    this.#orders.set(subscriptionId, order);
    this.#lastPlaces.delete(subscriptionId);
    if (known === undefined) this.#forgetIdle(subscriptionId);
    return order;
  }

  /** Nothing may wait longer in those that are looked at, which is nearly always the first one. */
  #forgetIdle(except: string): void {
    if (this.#orders.size <= MAX_IDLE_ORDERS) return;
    for (const [id, order] of this.#orders) {
      if (id === except || order.waiting > 0) continue;
      this.#orders.delete(id);
      if (order.last !== undefined) this.#lastPlaces.set(id, order.last);
      order.close();
      break;
    }
    const [oldest] = this.#lastPlaces.keys();
    if (this.#lastPlaces.size > MAX_LAST_PLACES && oldest !== undefined) this.#lastPlaces.delete(oldest);
  }
}
