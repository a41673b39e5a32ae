import type { EventTypeDescriptor } from '@mcp-events/protocol';
import { backoffMs } from '../backoff.ts';
import { sleep } from '../clock.ts';
import { asError, isFinal } from '../errors.ts';
import type { Settings } from '../settings.ts';
import { onAborted, untilAborted } from '../untilAborted.ts';
import type { EventTypes } from './eventTypes.ts';

/** Somebody who waits for a server that cannot be reached. */
export interface TypesWaiter {
  /** The next attempt begins. */
  onAttempt: () => void;
  /** It failed, and another one follows. */
  onFailure: (error: Error) => void;
}

/** Lists the event types of a server that cannot be reached, as soon as it can: one attempt at a time for all who wait. */
export class AwaitedTypes {
  readonly #types: EventTypes;
  readonly #waits: Pick<Settings, 'clock' | 'backoff' | 'random'>;
  readonly #waiting = new Set<TypesWaiter>();
  #answer: Promise<EventTypeDescriptor[]> | undefined;
  /** Aborts when nobody waits any more. */
  #left = new AbortController();
  #outage: Error | undefined;

  constructor(types: EventTypes, waits: Pick<Settings, 'clock' | 'backoff' | 'random'>) {
    this.#types = types;
    this.#waits = waits;
  }

  /** Why the attempt before failed, while somebody waits; whoever else needs the server need not try by itself. */
  get outage(): Error | undefined {
    return this.#outage;
  }

  /**
   * All types.
   *
   * @param outage why the server has to be waited for
   * @throws what the server says for good; the reason of the signal
   */
  async list(outage: Error | undefined, waiter: TypesWaiter, signal: AbortSignal): Promise<EventTypeDescriptor[]> {
    // Read meanwhile, by somebody else.
    if (this.#types.last !== undefined) return this.#types.last;
    this.#outage ??= outage;
    this.#waiting.add(waiter);
    this.#answer ??= this.#list();
    try {
      return await untilAborted(this.#answer, signal);
    } finally {
      this.#waiting.delete(waiter);
      if (this.#waiting.size === 0) {
        this.#outage = undefined;
        this.#answer = undefined;
        this.#left.abort('nobody waits any more');
      }
    }
  }

  async #list(): Promise<EventTypeDescriptor[]> {
    const { backoff, random } = this.#waits;
    this.#left = new AbortController();
    const { signal } = this.#left;
    for (let attempt = 0; ; attempt += 1) {
      await this.#pause(backoffMs(attempt, backoff, random), signal);
      signal.throwIfAborted();
      if (this.#types.last !== undefined) return this.#types.last;
      for (const { onAttempt } of this.#waiting) onAttempt();
      try {
        return await untilAborted(this.#types.refresh(), signal);
      } catch (thrown) {
        const error = asError(thrown);
        if (signal.aborted || isFinal(error)) throw error;
        this.#outage = error;
        for (const { onFailure } of this.#waiting) onFailure(error);
      }
    }
  }

  /** Waits, and no longer than until somebody else could reach the server. */
  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    const wake = new AbortController();
    const onWake = (): void => wake.abort();
    this.#types.onRead.add(onWake);
    const forget = onAborted(signal, onWake);
    await sleep(this.#waits.clock, delayMs, wake.signal);
    forget();
    this.#types.onRead.delete(onWake);
  }
}
