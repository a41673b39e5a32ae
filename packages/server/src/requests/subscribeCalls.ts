import { internalError } from '@mcp-events/protocol';

/** One call of `events/subscribe`, from its arrival to its answer. */
export interface SubscribeCallUnderWay {
  /** @throws InternalError if its client has unsubscribed since it arrived */
  readonly assertCurrent: () => void;
  readonly end: () => void;
}

/**
 * Calls of `events/subscribe` that are under way. An unsubscribe that arrives later is their end, however far they got:
 * else what it was answered as ended would be there again, made by a process of the client that may be long gone, and the
 * next one would meet it and not be asked where it goes on (UNSUB-04).
 */
export class SubscribeCalls {
  readonly #underWay = new Map<string, Set<{ isOvertaken: boolean }>>();

  /** How many subscriptions are asked for at present. */
  get size(): number {
    return this.#underWay.size;
  }

  /** @param id of the subscription */
  begin(id: string): SubscribeCallUnderWay {
    const call = { isOvertaken: false };
    const calls = this.#underWay.get(id) ?? new Set();
    this.#underWay.set(id, calls.add(call));
    return {
      assertCurrent: () => {
        if (call.isOvertaken) throw internalError('The subscription has ended meanwhile');
      },
      end: () => {
        calls.delete(call);
        if (calls.size === 0) this.#underWay.delete(id);
      },
    };
  }

  /** Its client unsubscribes: what it asked for before is not wanted any more. */
  overtake(id: string): void {
    for (const call of this.#underWay.get(id) ?? []) call.isOvertaken = true;
  }
}
