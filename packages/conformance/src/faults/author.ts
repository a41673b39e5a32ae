import type { EventHandle } from '@mcp-events/server';
import type { EmittingFact } from '../history/facts.ts';
import type { Random } from '../simulation/random.ts';
import { readOwnFacts } from './factReader.ts';
import { isPassing, textOf } from './passingFailures.ts';
import { pause } from './processShell.ts';
import type { ProcessShell } from './processShell.ts';
import type { ServerConfig } from './serverConfig.ts';
import { SEVERITIES } from './severity.ts';
import type { Severity } from './severity.ts';

/** Most events emitted at once. */
const MOST_AT_ONCE = 5;

/** Emits events of one type, alone or several at once. */
export class Author {
  readonly #shell: ProcessShell<ServerConfig>;
  readonly #handle: EventHandle;
  readonly #repeats: boolean;
  readonly #life = process.hrtime.bigint().toString(36);
  readonly #random: Random;
  #emits = 0;
  #running: Promise<void> = Promise.resolve();

  /** @param options `repeats`: whether an emit without an answer is said again in the next life, by its id */
  constructor(shell: ProcessShell<ServerConfig>, handle: EventHandle, { repeats }: { repeats: boolean }) {
    this.#shell = shell;
    this.#handle = handle;
    this.#repeats = repeats;
    this.#random = shell.random(handle.name);
  }

  begin(): void {
    this.#running = this.#run();
  }

  /** Resolves when nothing is under way any more. */
  stopped(): Promise<void> {
    return this.#running;
  }

  async #run(): Promise<void> {
    if (this.#repeats) await this.#repeatUnanswered();
    const { signal } = this.#shell.stopping;
    const { emitEveryMs } = this.#shell.config.settings;
    while (!signal.aborted) {
      await pause(this.#random.next() * 2 * emitEveryMs);
      if (signal.aborted || !this.#shell.circumstances.emitting) continue;
      const count = this.#random.chance(0.1) ? MOST_AT_ONCE : 1;
      await Promise.all(Array.from({ length: count }, () => this.#emitNew()));
    }
  }

  async #repeatUnanswered(): Promise<void> {
    const open = new Map<string, EmittingFact>();
    for (const fact of readOwnFacts(this.#shell.config.folder, this.#shell.config.name)) {
      if (fact.fact === 'emitting' && fact.type === this.#handle.name) open.set(fact.eventId, fact);
      else if (fact.fact === 'emitted' || fact.fact === 'emitFailed') open.delete(fact.eventId);
    }
    for (const { eventId, values } of open.values()) {
      if (this.#random.chance(0.7)) await this.#emit(eventId, values?.['severity'] as Severity);
    }
  }

  #emitNew(): Promise<void> {
    const severity = this.#random.pick(SEVERITIES);
    return this.#emit(`${this.#handle.name}-${this.#life}-${++this.#emits}`, severity);
  }

  async #emit(eventId: string, severity: Severity): Promise<void> {
    const { facts } = this.#shell;
    facts.record({ fact: 'emitting', type: this.#handle.name, eventId, values: { severity } });
    try {
      const { cursor } = await this.#handle.emit({ severity, text: textFor(eventId) }, { eventId });
      facts.record({ fact: 'emitted', eventId, cursor: cursor ?? '' });
    } catch (error) {
      facts.record({ fact: 'emitFailed', eventId });
      if (!isPassing(error)) facts.complain(`${eventId} was refused: ${textOf(error)}`);
    }
  }
}

/** The same for one event each time, and now and then long. */
function textFor(eventId: string): string {
  return eventId.endsWith('7') ? 'x'.repeat(3_000) : eventId;
}
