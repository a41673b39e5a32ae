import { EventsError } from '@mcp-events/protocol';
import type { Core } from '../core.ts';
import type { PushSession } from '../delivery/push/pushSession.ts';

/** Streams asked about at the same time, so that a slow `authorize` is not called for all of them at once. */
const CONCURRENCY = 16;

/**
 * Asks `authorize` again for open streams; who lost access is told Forbidden (AUTH-02). Streams whose access token has
 * expired end, so that the client authenticates again.
 */
export class Reauthorization {
  readonly #core: Core;
  readonly #intervalMs: number;
  #timer: unknown;
  #closed = false;

  constructor(core: Core, intervalMs: number) {
    this.#core = core;
    this.#intervalMs = intervalMs;
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#core.clock.clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#core.clock.setTimeout(() => void this.#round().then(() => this.#schedule()), this.#intervalMs);
  }

  async #round(): Promise<void> {
    const sessions = [...this.#core.sessions];
    const worker = async (): Promise<void> => {
      let session: PushSession | undefined;
      while ((session = sessions.pop()) !== undefined) await this.#ask(session);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  }

  async #ask(session: PushSession): Promise<void> {
    if (session.ended) return;
    const expiresAtSeconds = session.context.authInfo?.expiresAt;
    if (expiresAtSeconds !== undefined && expiresAtSeconds * 1_000 <= this.#core.clock.now()) {
      // Access was not taken away: the client comes back with a new token, at the cursor it has.
      session.finish();
      return;
    }
    const definition = this.#core.catalog.get(session.name)?.compiled.definition;
    if (definition?.authorize === undefined) return;
    try {
      await this.#core.lifecycle.authorize(definition, session);
    } catch (error) {
      // A failure to ask is no answer: access stays until somebody says no.
      if (error instanceof EventsError && error.errorName !== 'InternalError') session.terminate(error);
    }
  }
}
