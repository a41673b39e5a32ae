import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** What a subscriber wrote down, one JSON object a line. */
export type JournalEntry = {
  /** The process that wrote it: a restarted subscriber is another one. */
  process: number;
  atMs: number;
  eventType: string;
} & ({ kind: 'event'; eventId: string; what: string } | { kind: 'gap'; reason: string });

/** Opens a journal to add to it. An entry is on disk before the call returns, so it survives being killed right after. */
export function openJournal(path: string): (entry: JournalEntry) => void {
  const file = openSync(path, 'a');
  return (entry) => {
    writeSync(file, `${JSON.stringify(entry)}\n`);
    fdatasyncSync(file);
  };
}

/** All entries, in the order they were written. A subscriber that never wrote has none. */
export async function readJournal(path: string): Promise<JournalEntry[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JournalEntry);
}

/** Without the events that an earlier process had already: what one process got twice stays. */
export function withoutRepetitions(journal: readonly JournalEntry[]): JournalEntry[] {
  const processes = new Map<string, number>();
  return journal.filter((entry) => {
    if (entry.kind === 'gap') return true;
    const process = processes.get(entry.eventId) ?? entry.process;
    processes.set(entry.eventId, process);
    return process === entry.process;
  });
}
