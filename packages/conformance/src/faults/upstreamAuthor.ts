import type { FactWriter } from './factWriter.ts';
import { pause } from './processShell.ts';
import { CHECKED } from './eventTypes.ts';
import type { Random } from '../simulation/random.ts';
import { SEVERITIES } from './severity.ts';
import { UpstreamWriter } from './upstreamFile.ts';

/** The other system, whose events servers look for: it lives as long as the run. */
export class UpstreamAuthor {
  readonly #facts: FactWriter;
  readonly #file: UpstreamWriter;
  readonly #random: Random;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(facts: FactWriter, path: string, random: Random) {
    this.#facts = facts;
    this.#random = random;
    this.#file = new UpstreamWriter(path);
  }

  begin(emitEveryMs: number): void {
    this.#running = this.#run(emitEveryMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(emitEveryMs: number): Promise<void> {
    for (let emits = 1; !this.#stopped; emits++) {
      const eventId = `${CHECKED}-${emits}`;
      const severity = this.#random.pick(SEVERITIES);
      this.#facts.record({ fact: 'emitting', type: CHECKED, eventId, values: { severity } });
      const position = this.#file.append({ eventId, severity, timestamp: new Date().toISOString() });
      this.#facts.record({ fact: 'emitted', eventId, cursor: `c0.${position}` });
      await pause(this.#random.next() * 4 * emitEveryMs);
    }
    this.#file.close();
  }
}
