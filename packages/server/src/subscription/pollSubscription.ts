import type { EventsError } from '@mcp-events/protocol';
import type { EventContext } from '../context.ts';
import type { Arguments, Subscription } from './subscription.ts';

export interface PollSubscriptionOptions {
  readonly id: string;
  readonly name: string;
  readonly principal: string | undefined;
  readonly rawArguments: Arguments;
  readonly arguments: Arguments;
  readonly argumentsKey: string;
  readonly context: EventContext;
  /** Called once, when it has ended for whatever reason. */
  readonly onEnd: () => void;
}

/** Someone who polls. Nothing is delivered on its own accord, so an end is told by the next poll (TERM-01). */
export class PollSubscription implements Subscription {
  readonly mode = 'poll';
  readonly id: string;
  readonly name: string;
  readonly principal: string | undefined;
  readonly rawArguments: Arguments;
  readonly arguments: Arguments;
  readonly argumentsKey: string;
  readonly context: EventContext;
  readonly #onEnd: () => void;
  #ended = false;
  #terminated: EventsError | undefined;
  /** Polls that are held at the moment. */
  readonly #held = new Set<() => void>();

  constructor(options: PollSubscriptionOptions) {
    this.id = options.id;
    this.name = options.name;
    this.principal = options.principal;
    this.rawArguments = options.rawArguments;
    this.arguments = options.arguments;
    this.argumentsKey = options.argumentsKey;
    this.context = options.context;
    this.#onEnd = options.onEnd;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Why the server ended it, if it did. */
  get terminated(): EventsError | undefined {
    return this.#terminated;
  }

  terminate(error: EventsError): void {
    if (this.#ended) return;
    this.#terminated = error;
    for (const release of this.#held) release();
    this.expire();
  }

  /** No poll came in time (HOOK-04). */
  expire(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
  }

  /** Calls `release` if the subscription ends; the returned function takes that back. */
  whileHeld(release: () => void): () => void {
    this.#held.add(release);
    return () => this.#held.delete(release);
  }
}
