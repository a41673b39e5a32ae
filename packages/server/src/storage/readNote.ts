import type { Notes } from './storage.ts';

/** A note as its reader needs it. */
export interface NoteReading<Value> {
  readonly key: string;
  /** What it is about, for the operator. */
  readonly about: string;
  readonly isValid: (value: unknown) => value is Value;
  /** What comes of going on without the note, for the operator. */
  readonly without: string;
}

/**
 * Reads a note that was stored as JSON; `undefined` when there is none. A damaged one is not taken for none: guarantees
 * hang on each of them, and only the operator knows whether they can do without. Nothing has been changed by then.
 *
 * @throws Error that says which note it is, what is wrong with it and what to do
 */
export function readNote<Value>(notes: Notes, reading: NoteReading<Value>): Value | undefined {
  const { key, isValid } = reading;
  const text = notes.get(key);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What the engine says of a failure quotes the text, and what is stored is not for logs.
    throw damaged(reading, 'is no JSON');
  }
  if (isValid(value)) return value;
  throw damaged(reading, 'does not have the form it is written in');
}

function damaged({ key, about, without }: NoteReading<unknown>, what: string): Error {
  return new Error(
    `the stored note of ${about} is damaged: it ${what}. Restore a backup of the storage; or call ` +
      `notes.delete(${JSON.stringify(key)}) of the storage before Events gets it: ${without}`,
  );
}
