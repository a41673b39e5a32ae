import { randomUUID } from 'node:crypto';
import type { Notes } from '@mcp-events/server';
import type { RefChange, Refs } from '../git/refs.ts';

/** What was seen of the refs, and what of it may not be told yet. */
export interface RefState {
  /** Sets the looks of this memory apart from those of any other. */
  readonly name: string;
  /** Counts the looks that found something. */
  readonly look: number;
  /** The refs as that look found them. */
  readonly refs: Refs;
  /** What it found, until all of it is told. */
  readonly untold: readonly RefChange[];
}

const KEY = 'git-watcher/refs';

/**
 * Remembers the refs in the same storage as the events about them. So both are as old as each other whatever happens to
 * the file, also when a backup of it is restored.
 */
export class RefMemory {
  readonly #notes: Notes;

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  /** `undefined` before anything was saved. */
  load(): RefState | undefined {
    const json = this.#notes.get(KEY);
    if (json === undefined) return undefined;
    const { refs, ...rest } = JSON.parse(json) as Omit<RefState, 'refs'> & { refs: Record<string, string> };
    return { ...rest, refs: new Map(Object.entries(refs)) };
  }

  /** The state to begin with. */
  async begin(refs: Refs): Promise<RefState> {
    return this.save({ name: randomUUID().slice(0, 8), look: 0, refs, untold: [] });
  }

  async save(state: RefState): Promise<RefState> {
    const value = JSON.stringify({ ...state, refs: Object.fromEntries(state.refs) });
    await this.#notes.set({ key: KEY, value });
    return state;
  }
}

/**
 * Names a change: the same after a crash between telling it and remembering that it was told, so that the log takes it
 * once (OCC-07).
 */
export function changeId({ name, look }: RefState, index: number): string {
  return `ref-${name}-${look}-${index}`;
}
