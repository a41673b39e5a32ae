import type { FactWriter } from './factWriter.ts';
import { pause } from './processShell.ts';
import { CHECKED, GUARDED } from './eventTypes.ts';
import { expectationOf, TENANT_NAMES } from '../simulation/authoredEvent.ts';
import type { Random } from '../simulation/random.ts';
import { SEVERITIES } from './severity.ts';
import { UpstreamWriter } from './upstreamFile.ts';

/** The other system, whose events servers look for: it lives as long as the run. */
export class UpstreamAuthor {
  readonly #facts: FactWriter;
  readonly #file: UpstreamWriter;
  readonly #random: Random;
  readonly #retention: number;
  #emits = 0;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  /** @param retention events that it answers for */
  constructor(facts: FactWriter, path: string, random: Random, retention: number) {
    this.#facts = facts;
    this.#random = random;
    this.#retention = retention;
    this.#file = new UpstreamWriter(path);
  }

  /** May be called again after a stop. */
  begin(emitEveryMs: number): void {
    this.#stopped = false;
    this.#running = this.#run(emitEveryMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  close(): void {
    this.#file.close();
  }

  async #run(emitEveryMs: number): Promise<void> {
    while (!this.#stopped) {
      const eventId = `${CHECKED}-${++this.#emits}`;
      const severity = this.#random.pick(SEVERITIES);
      const event = { eventId, severity, ...(this.#random.chance(0.5) && { tenant: this.#random.pick(TENANT_NAMES) }) };
      this.#facts.record({ fact: 'emitting', type: CHECKED, eventId, ...expectationOf(event, GUARDED) });
      const position = this.#file.append({ ...event, timestamp: new Date().toISOString() });
      this.#facts.record({ fact: 'emitted', eventId, cursor: `c0.${position}` });
      const passed = position - this.#retention;
      if (passed > 0) {
        this.#facts.record({ fact: 'lossCause', why: 'retention', type: CHECKED, upTo: `c0.${passed}` });
      }
      await pause(this.#random.next() * 4 * emitEveryMs);
    }
  }
}
