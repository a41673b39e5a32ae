import { EventsError } from '@mcp-events/protocol';
import type { Clock } from '../../clock.ts';
import type { PushSession } from './pushSession.ts';

/** Streams asked about at the same time, so that a slow `authorize` is not called for all of them at once. */
const CONCURRENCY = 16;

export interface ReauthorizationOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** Open streams. */
  readonly sessions: ReadonlySet<PushSession>;
  /** Rejects with Forbidden when the subscriber has lost access. */
  readonly authorize: (session: PushSession) => Promise<void>;
}

/**
 * Asks `authorize` again for open streams; who lost access is told Forbidden (AUTH-02). Streams whose access token has
 * expired end, so that the client authenticates again.
 */
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
    const sessions = [...this.#options.sessions];
    const worker = async (): Promise<void> => {
      let session: PushSession | undefined;
      while ((session = sessions.pop()) !== undefined) await this.#ask(session);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  }

  async #ask(session: PushSession): Promise<void> {
    if (session.ended) return;
    const expiresAtSeconds = session.context.authInfo?.expiresAt;
    if (expiresAtSeconds !== undefined && expiresAtSeconds * 1_000 <= this.#options.clock.now()) {
      // Access was not taken away: the client comes back with a new token, at the cursor it has.
      session.finish();
      return;
    }
    try {
      await this.#options.authorize(session);
    } catch (error) {
      // A failure to ask is no answer: access stays until somebody says no.
      if (error instanceof EventsError && error.errorName !== 'InternalError') session.terminate(error);
    }
  }
}
