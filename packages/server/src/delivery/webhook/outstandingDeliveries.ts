import type { Delivery } from './delivery.ts';

/** Bytes of payloads and metadata one subscription may have outstanding, beyond its first delivery. */
const MAX_BYTES = 1024 * 1024;

/** The same of one principal, beyond the first delivery of each of its subscriptions. */
const MAX_PRINCIPAL_BYTES = 64 * 1024 * 1024;

/** Whose payloads count together. */
interface Account {
  heldBytes: number;
}

/** What one subscription was sent, or is to be, and what is neither acknowledged nor given up. Bounded. */
export class OutstandingDeliveries {
  readonly #maxCount: number;
  readonly #principal: Account;
  /** In the order they began. Made with the first, so that an idle subscription costs little. */
  #deliveries: Set<Delivery> | undefined;
  #bytes = 0;

  constructor(maxCount: number, principal: Account) {
    this.#maxCount = maxCount;
    this.#principal = principal;
  }

  get count(): number {
    return this.#deliveries?.size ?? 0;
  }

  /** The one that began first. */
  get first(): Delivery | undefined {
    return this.#deliveries?.values().next().value;
  }

  [Symbol.iterator](): Iterator<Delivery> {
    return (this.#deliveries ?? [])[Symbol.iterator]();
  }

  /** Whether there is room for one without payload. */
  get hasRoom(): boolean {
    return this.count < this.#maxCount;
  }

  /** Whether at least half of the places are free: catching up then reads pages, not single events. */
  get hasMuchRoom(): boolean {
    return this.count * 2 <= this.#maxCount;
  }

  hasRoomFor(bytes: number): boolean {
    // One is always taken, or an event larger than the bounds could never be delivered.
    if (this.count === 0) return true;
    return this.hasRoom && this.#bytes + bytes <= MAX_BYTES && this.#principal.heldBytes + bytes <= MAX_PRINCIPAL_BYTES;
  }

  add(delivery: Delivery): void {
    this.#deliveries ??= new Set();
    this.#deliveries.add(delivery);
    this.#count(delivery, 1);
  }

  /** An unknown one is no error. */
  delete(delivery: Delivery): void {
    if (this.#deliveries?.delete(delivery) === true) this.#count(delivery, -1);
  }

  #count({ event }: Delivery, sign: 1 | -1): void {
    const bytes = sign * (event?.jsonLength ?? 0);
    this.#bytes += bytes;
    this.#principal.heldBytes += bytes;
  }
}
