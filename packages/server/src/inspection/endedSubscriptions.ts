import type { DeliveryMode, EventsError } from '@mcp-events/protocol';
import type { Clock } from '../clock.ts';
import type { Subscription } from '../subscription/subscription.ts';

/** Remembered of each mode: polls and streams come and go, and must not push out webhook subscriptions. */
const MAX_PER_MODE = 1_000;

/** A subscription that is no more. */
export interface EndedSubscription {
  readonly mode: DeliveryMode;
  readonly name: string;
  readonly principal: string | undefined;
  readonly endedAtMs: number;
  /** The error it was ended with; `undefined` when its client ended it, or let it lapse. */
  readonly reason: EventsError['errorName'] | undefined;
}

/** The last subscriptions that ended, for operators who ask why nothing comes any more. */
export class EndedSubscriptions {
  readonly #clock: Clock;
  readonly #byMode = new Map<DeliveryMode, Map<string, EndedSubscription>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add({ id, mode, name, principal, terminated }: Subscription): void {
    let ended = this.#byMode.get(mode);
    if (ended === undefined) this.#byMode.set(mode, (ended = new Map()));
    // Now the newest, also if its id was there before.
    ended.delete(id);
    ended.set(id, { mode, name, principal, endedAtMs: this.#clock.now(), reason: terminated?.errorName });
    if (ended.size <= MAX_PER_MODE) return;
    for (const oldest of ended.keys()) {
      ended.delete(oldest);
      return;
    }
  }

  get(id: string): EndedSubscription | undefined {
    for (const ended of this.#byMode.values()) {
      const found = ended.get(id);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
