import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { factLine } from '../history/factLines.ts';
import type { Fact } from '../history/facts.ts';

/** Milliseconds of a clock that all processes of a machine share, and that nobody sets. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export const FACTS_SUFFIX = '.facts.jsonl';
export const COMPLAINTS_SUFFIX = '.complaints.jsonl';

/** Processes of this name that have written facts so far. */
export function countLives(folder: string, name: string): number {
  return readdirSync(folder).filter((file) => file.startsWith(`${name}.`) && file.endsWith(FACTS_SUFFIX)).length;
}

/**
 * Writes down what a process sees, line by line: each line is with the operating system when the call returns, so that it
 * outlives the process. Every life of a process has files of its own, because the last line may be cut.
 */
export class FactWriter {
  readonly #facts: number;
  readonly #complaints: number;

  /** @param name of the process */
  constructor(folder: string, name: string) {
    const life = join(folder, `${name}.${process.hrtime.bigint()}`);
    this.#facts = openSync(`${life}${FACTS_SUFFIX}`, 'a');
    this.#complaints = openSync(`${life}${COMPLAINTS_SUFFIX}`, 'a');
  }

  record(fact: Fact): void {
    writeSync(this.#facts, factLine({ ...fact, at: monotonicMs() }));
  }

  /** Something that must not happen and is no matter of the history. */
  complain(message: string): void {
    writeSync(this.#complaints, `${JSON.stringify(message)}\n`);
  }

  close(): void {
    closeSync(this.#facts);
    closeSync(this.#complaints);
  }
}
