import { eventsErrorFromRpc, forbidden } from '@mcp-events/protocol';
import type { Events } from '@mcp-events/server';
import { REVOKED_PRINCIPAL } from './eventTypes.ts';
import { isPassing } from './passingFailures.ts';
import { pause } from './processShell.ts';
import type { ProcessShell } from './processShell.ts';
import type { ServerConfig } from './serverConfig.ts';

const LOOK_EVERY_MS = 50;

const REVOKED = 'access was revoked';

/** Whether an error says what the server ends those subscriptions with. */
export function saysRevoked(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code !== 'number') return false;
  return eventsErrorFromRpc({ code, message: String(message) }).errorName === 'Forbidden';
}

/** Ends the subscriptions of a principal to one type, when the runner says so. */
export class Revocation {
  readonly #shell: ProcessShell<ServerConfig>;
  readonly #events: Events;
  readonly #type: string;
  #running: Promise<void> = Promise.resolve();

  constructor(shell: ProcessShell<ServerConfig>, events: Events, type: string) {
    this.#shell = shell;
    this.#events = events;
    this.#type = type;
  }

  begin(): void {
    this.#running = this.#run();
  }

  /** Resolves when nothing is under way any more. */
  done(): Promise<void> {
    return this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#shell.stopping;
    while (!this.#shell.circumstances.ending) {
      if (signal.aborted) return;
      await pause(LOOK_EVERY_MS);
    }
    const revoked = { name: this.#type, principal: REVOKED_PRINCIPAL };
    const { facts } = this.#shell;
    // What was under way to them is given up.
    facts.record({ fact: 'lossCause', why: REVOKED, type: this.#type, principal: REVOKED_PRINCIPAL });
    await this.#shell.insist(
      () => this.#events.terminate(revoked, forbidden(REVOKED)),
      (error) => !signal.aborted && isPassing(error),
    );
  }
}
