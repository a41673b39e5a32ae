import type { EventsError } from '@mcp-events/protocol';
import { Subscription } from './subscription.ts';
import type { SubscriptionDetails } from './subscription.ts';

/** Someone who polls. Nothing is delivered on its own accord, so an end is told by the next poll (TERM-01). */
export class PollSubscription extends Subscription {
  readonly mode = 'poll';
  readonly #onEnd: () => void;
  #ended = false;
  #terminated: EventsError | undefined;
  /** The last answer: the position it gave, and when. */
  lastAnswer: { readonly cursor: string | null; readonly atMs: number } | undefined;
  /** Polls that are held at the moment. */
  readonly #held = new Set<() => void>();

  /** @param onEnd called once, when it has ended for whatever reason */
  constructor(details: SubscriptionDetails, onEnd: () => void) {
    super(details);
    this.#onEnd = onEnd;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Polls that wait for something to happen. */
  get heldPolls(): number {
    return this.#held.size;
  }

  /** Why the server ended it, if it did. */
  get terminated(): EventsError | undefined {
    return this.#terminated;
  }

  terminate(error: EventsError): void {
    if (this.#ended) return;
    this.#terminated = error;
    this.expire();
  }

  /** No poll came in time (HOOK-04), or the server closes. */
  expire(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const release of this.#held) release();
    this.#onEnd();
  }

  /** Calls `release` if the subscription ends; the returned function takes that back. */
  whileHeld(release: () => void): () => void {
    this.#held.add(release);
    return () => this.#held.delete(release);
  }
}
