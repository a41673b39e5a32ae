import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mergeFacts, readFacts } from '../history/factLines.ts';
import type { Fact } from '../history/facts.ts';
import { COMPLAINTS_SUFFIX, FACTS_SUFFIX } from './factWriter.ts';

/** All that was written down in a folder, in the order of its happening. */
export function readHistory(folder: string): Fact[] {
  return mergeFacts(textsOf(folder, '', FACTS_SUFFIX).map(({ text }) => readFacts(text)));
}

/** What the earlier lives of a process wrote, and this one so far. */
export function readOwnFacts(folder: string, name: string): Fact[] {
  return mergeFacts(textsOf(folder, `${name}.`, FACTS_SUFFIX).map(({ text }) => readFacts(text)));
}

export function readComplaints(folder: string): string[] {
  return textsOf(folder, '', COMPLAINTS_SUFFIX).flatMap(({ name, text }) =>
    text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => `${name.split('.')[0]}: ${JSON.parse(line) as string}`),
  );
}

/** Lines of a process's own journal, without one that was cut. */
export function readLines(path: string): string[] {
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '');
}

function textsOf(folder: string, prefix: string, suffix: string): { name: string; text: string }[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && name.endsWith(suffix))
    .toSorted()
    .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));
}
