import type { FactWriter } from './factWriter.ts';
import { pause } from './processShell.ts';
import { CHECKED } from './eventTypes.ts';
import { SEVERITIES } from './severity.ts';
import type { Severity } from './severity.ts';
import { UpstreamWriter } from './upstreamFile.ts';

/** The other system, whose events servers look for: it lives as long as the run. */
export class UpstreamAuthor {
  readonly #facts: FactWriter;
  readonly #file: UpstreamWriter;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(facts: FactWriter, path: string) {
    this.#facts = facts;
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
      const severity = SEVERITIES[Math.random() < 0.5 ? 0 : 1] as Severity;
      this.#facts.record({ fact: 'emitting', type: CHECKED, eventId, values: { severity } });
      const position = this.#file.append({ eventId, severity, timestamp: new Date().toISOString() });
      this.#facts.record({ fact: 'emitted', eventId, cursor: `c0.${position}` });
      await pause(Math.random() * 4 * emitEveryMs);
    }
    this.#file.close();
  }
}
