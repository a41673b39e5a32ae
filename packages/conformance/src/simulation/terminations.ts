import { forbidden } from '@mcp-events/protocol';
import type { BegunFact } from '../history/facts.ts';
import type { Random } from './random.ts';
import type { ServerProcess } from './serverProcess.ts';
import type { WorldRecord } from './worldRecord.ts';

/** What there is to be ended. */
export interface TerminableSubscription {
  readonly subscription: string;
  readonly principal: string;
  readonly type: string;
  readonly mode: BegunFact['mode'];
}

/** Told that a webhook subscription has ended and stays so, and when that was asked for. */
export type EndListener = (subscription: string, askedMs: number) => void;

/** An operator who ends subscriptions now and then, also while the server that has them is only starting. */
export class Terminations {
  readonly #random: Random;
  readonly #world: WorldRecord;
  readonly #subscriptions: readonly TerminableSubscription[];
  readonly #onEnded: EndListener;

  constructor(
    random: Random,
    world: WorldRecord,
    subscriptions: readonly TerminableSubscription[],
    onEnded: EndListener = () => {},
  ) {
    this.#random = random;
    this.#world = world;
    this.#subscriptions = subscriptions;
    this.#onEnded = onEnded;
  }

  /** Ends what somebody has of one event type, or all that somebody has. */
  terminate(server: ServerProcess, when: string): void {
    const { principal, type: name } = this.#random.pick(this.#subscriptions);
    const filter = this.#random.chance(0.7) ? { principal, name } : { principal };
    this.#world.faults.add(`terminated: ${when}`);
    const askedMs = this.#world.time.nowMs;
    const webhooks: string[] = [];
    for (const { subscription, mode, ...known } of this.#subscriptions) {
      if (known.principal !== principal || ('name' in filter && known.type !== name)) continue;
      this.#world.record({ fact: 'disturbed', subscription, why: 'terminated' });
      // The others have no end but the one that they are told.
      if (mode !== 'webhook') continue;
      this.#world.record({ fact: 'ended', subscription, how: 'dropped' });
      webhooks.push(subscription);
    }
    const answered = (): void => {
      if (server.alive) for (const subscription of webhooks) this.#onEnded(subscription, askedMs);
    };
    // Where it cannot be stored, it is tried again.
    server.events.terminate(filter, forbidden('revoked by the simulated operator')).then(answered, () => {});
  }
}
