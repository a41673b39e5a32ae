import type { AncestorEpoch, AppendOptions, EventLog, FeedEvent, FeedRecord, Gap } from '@mcp-events/server';
import type { GroupCommit } from '../groupCommit.ts';
import { fromDriver } from '../storageError.ts';
import type { Past } from './past.ts';

/** The place of a name's current past. Outlives the logs that are opened on it one after the other. */
export interface LogSlot {
  past: Past;
  /** A past that begins anew, and takes the place of another one when it is stored. */
  readonly begin: (before?: Past) => Past;
}

export class SqliteLog implements EventLog {
  readonly #slot: LogSlot;
  readonly #commit: GroupCommit;
  readonly #file: string;

  constructor(slot: LogSlot, commit: GroupCommit, file: string) {
    this.#slot = slot;
    this.#commit = commit;
    this.#file = file;
  }

  get epoch(): string {
    return this.#slot.past.epoch;
  }

  get ancestors(): readonly AncestorEpoch[] {
    return this.#slot.past.ancestors;
  }

  get head(): number {
    return this.#slot.past.head;
  }

  get oldest(): number {
    return this.#slot.past.oldest;
  }

  append(event: FeedEvent, options: AppendOptions): Promise<FeedEvent> {
    const { byteLength } = options;
    const { past } = this.#slot;
    const metaJson = event._meta === undefined ? null : JSON.stringify(event._meta);
    return this.#commit.write(() => past.append(event, metaJson, byteLength, options), byteLength);
  }

  skip(): Promise<Gap> {
    const { past } = this.#slot;
    return this.#commit.write(() => past.skip());
  }

  read(position: number, limit: number): readonly FeedRecord[] | Promise<readonly FeedRecord[]> {
    return this.#reading(() => this.#slot.past.read(position, limit));
  }

  seek(position: number, notBeforeMs: number): number | Promise<number> {
    return this.#reading(() => this.#slot.past.seek(position, notBeforeMs));
  }

  async clear(): Promise<void> {
    const past = this.#slot.begin(this.#slot.past);
    this.#slot.past = past;
    // If it fails, the first append does it.
    await this.#commit.write(() => past.ensure());
  }

  close(): void {
    this.#slot.past.forgetRecent();
  }

  /** Answers at once; a failure is a rejection like that of any slower storage. */
  #reading<T>(read: () => T): T | Promise<T> {
    try {
      return read();
    } catch (error) {
      return Promise.reject(fromDriver(error, this.#file));
    }
  }
}
