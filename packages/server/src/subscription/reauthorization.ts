import { isEventsError } from '@mcp-events/protocol';
import type { Clock } from '../clock.ts';
import { isFinalError } from './finalErrors.ts';
import type { Subscription } from './subscription.ts';

/** Subscriptions asked about at the same time, so that a slow `authorize` is not called for all of them at once. */
const CONCURRENCY = 16;

/** A subscription that is delivered to without the client asking each time. */
export interface LongLived extends Subscription {
  readonly ended: boolean;
  /** The access token it was made with has expired. Absent where the subscription outlives tokens. */
  onTokenExpired?(): void;
}

export interface ReauthorizationOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** Those that are live now. */
  readonly subscriptions: () => readonly LongLived[];
  /** Rejects with Forbidden when the subscriber has lost access. */
  readonly authorize: (subscription: LongLived) => Promise<void>;
}

/** Asks `authorize` again while delivering; who lost access is told Forbidden (AUTH-02). */
export class Reauthorization {
  readonly #options: ReauthorizationOptions;
  #timer: unknown;
  #closed = false;

  constructor(options: ReauthorizationOptions) {
    this.#options = options;
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#options.clock.clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#closed) return;
    const { clock, intervalMs } = this.#options;
    this.#timer = clock.setTimeout(() => void this.#round().then(() => this.#schedule()), intervalMs);
  }

  async #round(): Promise<void> {
    const subscriptions = [...this.#options.subscriptions()];
    const worker = async (): Promise<void> => {
      let subscription: LongLived | undefined;
      while ((subscription = subscriptions.pop()) !== undefined) await this.#ask(subscription);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  }

  async #ask(subscription: LongLived): Promise<void> {
    if (subscription.ended) return;
    const expiresAtSeconds = subscription.context.authInfo?.expiresAt;
    const expired = expiresAtSeconds !== undefined && expiresAtSeconds * 1_000 <= this.#options.clock.now();
    if (expired && subscription.onTokenExpired !== undefined) {
      subscription.onTokenExpired();
      return;
    }
    try {
      await this.#options.authorize(subscription);
    } catch (error) {
      // A failure to ask is no answer, nor is "not now": access stays until somebody says no.
      if (isEventsError(error) && isFinalError(error)) subscription.terminate(error);
    }
  }
}
