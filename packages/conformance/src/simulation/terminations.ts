import { forbidden } from '@mcp-events/protocol';
import type { Events } from '@mcp-events/server';
import type { BegunFact } from '../history/facts.ts';
import type { Random } from './random.ts';
import type { WorldRecord } from './worldRecord.ts';

/** What there is to be ended. */
export interface TerminableSubscription {
  readonly subscription: string;
  readonly principal: string;
  readonly type: string;
  readonly mode: BegunFact['mode'];
}

/** An operator who ends subscriptions now and then, also while the server that has them is only starting. */
export class Terminations {
  readonly #random: Random;
  readonly #world: WorldRecord;
  readonly #subscriptions: readonly TerminableSubscription[];

  constructor(random: Random, world: WorldRecord, subscriptions: readonly TerminableSubscription[]) {
    this.#random = random;
    this.#world = world;
    this.#subscriptions = subscriptions;
  }

  /** Ends what somebody has of one event type, or all that somebody has. */
  terminate(events: Events, when: string): void {
    const { principal, type: name } = this.#random.pick(this.#subscriptions);
    const filter = this.#random.chance(0.7) ? { principal, name } : { principal };
    this.#world.faults.add(`terminated: ${when}`);
    for (const { subscription, mode, ...known } of this.#subscriptions) {
      if (known.principal !== principal || ('name' in filter && known.type !== name)) continue;
      this.#world.record({ fact: 'disturbed', subscription, why: 'terminated' });
      // The others have no end but the one that they are told.
      if (mode === 'webhook') this.#world.record({ fact: 'ended', subscription, how: 'dropped' });
    }
    // Where it cannot be stored, it is tried again.
    events.terminate(filter, forbidden('revoked by the simulated operator')).catch(() => {});
  }
}
