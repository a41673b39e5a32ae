import type { EventHandle } from '@mcp-events/server';
import type { EmittingFact } from '../history/facts.ts';
import { readLogCursor } from '../history/positions.ts';
import { dataOf, expectationOf, TENANT_NAMES } from '../simulation/authoredEvent.ts';
import type { AuthoredEvent, Treatment } from '../simulation/authoredEvent.ts';
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

/** Of some events, so that streams and bodies are not all of one size. */
const PADDING = 'x'.repeat(3_000);

export interface AuthorOptions {
  /** Whether an emit without an answer is said again in the next life, by its id. */
  readonly repeats: boolean;
  /** What the type does with its events. */
  readonly treatment: Treatment;
  /** So many events are kept; what is further back may be lost, and that is told. Default: all that count. */
  readonly retention?: number;
}

/** Emits events of one type, alone or several at once. */
export class Author {
  readonly #shell: ProcessShell<ServerConfig>;
  readonly #handle: EventHandle;
  readonly #options: AuthorOptions;
  readonly #life = process.hrtime.bigint().toString(36);
  readonly #random: Random;
  #emits = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(shell: ProcessShell<ServerConfig>, handle: EventHandle, options: AuthorOptions) {
    this.#shell = shell;
    this.#handle = handle;
    this.#options = options;
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
    if (this.#options.repeats) await this.#repeatUnanswered();
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
      const severity = values?.['severity'] as Severity;
      if (this.#random.chance(0.7)) await this.#emit({ eventId, severity, ...paddingOf(eventId) });
    }
  }

  #emitNew(): Promise<void> {
    const severity = this.#random.pick(SEVERITIES);
    const eventId = `${this.#handle.name}-${this.#life}-${++this.#emits}`;
    const isTenants = this.#options.treatment.isGuarded && this.#random.chance(0.5);
    const tenant = isTenants ? { tenant: this.#random.pick(TENANT_NAMES) } : {};
    return this.#emit({ eventId, severity, ...tenant, ...paddingOf(eventId) });
  }

  async #emit(event: AuthoredEvent): Promise<void> {
    const { facts } = this.#shell;
    const { eventId } = event;
    const { name } = this.#handle;
    facts.record({ fact: 'emitting', type: name, eventId, ...expectationOf(event, this.#options.treatment) });
    try {
      const { cursor } = await this.#handle.emit(dataOf(event), { eventId });
      facts.record({ fact: 'emitted', eventId, cursor: cursor ?? '' });
      this.#passed(cursor ?? '');
    } catch (error) {
      facts.record({ fact: 'emitFailed', eventId });
      if (!isPassing(error)) facts.complain(`${eventId} was refused: ${textOf(error)}`);
    }
  }

  /** Whoever stands further back than the log reaches is told of a gap. */
  #passed(cursor: string): void {
    const { retention = Infinity } = this.#options;
    const place = readLogCursor(cursor);
    if (place === undefined || place.position <= retention) return;
    const upTo = `${place.epoch}.${place.position - retention}`;
    this.#shell.facts.record({ fact: 'lossCause', why: 'retention', type: this.#handle.name, upTo });
  }
}

/** The same for one event each time. */
function paddingOf(eventId: string): Pick<AuthoredEvent, 'padding'> {
  return eventId.endsWith('7') ? { padding: PADDING } : {};
}
