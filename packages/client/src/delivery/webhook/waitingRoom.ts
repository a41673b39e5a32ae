import type { EventOrder } from '@mcp-events/protocol';

/** What may have to wait for an event before it. */
export interface Arrival {
  bytes: number;
  order?: EventOrder;
}

/** Positions of refused arrivals that are remembered: servers have tens of posts under way at once. */
const MAX_REFUSED = 1_000;

/**
 * Bounds the memory of what arrives ahead of its turn, by refusing. Those that the others wait for have to come in, and
 * their places do not tell them from newer ones. So nothing is refused that is awaited by name, nor anything twice: or
 * what was refused once would be the next hole, and the room be full again whenever it comes back.
 */
export class WaitingRoom {
  readonly #maxBytes: number;
  #bytes = 0;
  readonly #awaited = new Set<string>();
  readonly #refused = new Set<string>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes an arrival in, to be told when it leaves; false if there is no room for it now. */
  admit({ bytes, order }: Arrival): boolean {
    const { position, previous } = order ?? {};
    if (position === undefined) return true;
    const isPreferred = this.#awaited.has(position) || this.#refused.has(position);
    if (this.#bytes + bytes > this.#maxBytes * (isPreferred ? 2 : 1)) {
      this.#refused.add(position);
      const [oldest] = this.#refused;
      if (this.#refused.size > MAX_REFUSED && oldest !== undefined) this.#refused.delete(oldest);
      return false;
    }
    this.#bytes += bytes;
    if (typeof previous === 'string') this.#awaited.add(previous);
    this.#refused.delete(position);
    return true;
  }

  leave({ bytes, order }: Arrival): void {
    this.#bytes -= bytes;
    if (typeof order?.previous === 'string') this.#awaited.delete(order.previous);
  }

  /** Nobody waits, whatever was counted. */
  clear(): void {
    this.#bytes = 0;
    this.#awaited.clear();
  }
}
