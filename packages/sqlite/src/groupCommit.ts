import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import type { Clock } from '@mcp-events/server';
import { fromDriver, storageError } from './storageError.ts';

/** Memory that follows the file: what a transaction changed there counts when it is committed. */
export interface Provisional {
  committed(): void;
  rolledBack(): void;
}

export interface GroupCommitOptions {
  readonly db: DatabaseSyncInstance;
  readonly file: string;
  readonly clock: Clock;
  /** Called after each commit, before anybody is told of it. Throws when what was written is not where it belongs. */
  readonly assertKept: () => void;
  /** Such a failure, once: nothing is written after it. */
  readonly onNotKept: (error: unknown) => void;
}

interface Change {
  readonly run: () => unknown;
  /** Of the last run. */
  result: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly byteLength: number;
}

/** Bounds of one transaction, so that a burst does not hold up the event loop: a few milliseconds each. */
const MAX_CHANGES = 512;
const MAX_BYTES = 4 * 1024 * 1024;

/** Background changes that a transaction takes along when others wait: under a millisecond. */
const MAX_TAKEN_ALONG = 128;

/**
 * Gathers all changes of one turn of the event loop in one transaction, because making a transaction durable costs as
 * much as a hundred changes. Changes run, and settle, in the order they were asked for.
 */
export class GroupCommit {
  readonly #db: DatabaseSyncInstance;
  readonly #file: string;
  readonly #clock: Clock;
  readonly #assertKept: () => void;
  readonly #onNotKept: (error: unknown) => void;
  readonly #begin: StatementSyncInstance;
  readonly #commit: StatementSyncInstance;
  readonly #rollback: StatementSyncInstance;
  #waiting: Change[] = [];
  #background: Change[] = [];
  readonly #enlisted = new Set<Provisional>();
  #scheduled = false;
  #closed = false;
  /** What was written last is not in the storage's files, and the next would not be either. */
  #notKept: { readonly error: unknown } | undefined;

  constructor({ db, file, clock, assertKept, onNotKept }: GroupCommitOptions) {
    this.#db = db;
    this.#file = file;
    this.#clock = clock;
    this.#assertKept = assertKept;
    this.#onNotKept = onNotKept;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = db.prepare('ROLLBACK');
  }

  /**
   * Runs `run` within the next transaction. Resolves with its result when that is durable. May run more than once, each
   * time as if never before; must be synchronous.
   */
  write<T>(run: () => T, byteLength = 0): Promise<T> {
    return this.#add(this.#waiting, run, byteLength);
  }

  /** The same for what can wait a little: it yields to what is written otherwise. In order among themselves. */
  writeInBackground<T>(run: () => T, byteLength = 0): Promise<T> {
    return this.#add(this.#background, run, byteLength);
  }

  /** To be called within `run`: this memory changed. */
  enlist(memory: Provisional): void {
    this.#enlisted.add(memory);
  }

  /** Stores everything that waits, now; later changes are refused. */
  close(): void {
    this.#closed = true;
    while (this.#waiting.length + this.#background.length > 0) this.#flush();
  }

  #add<T>(queue: Change[], run: () => T, byteLength: number): Promise<T> {
    if (this.#closed) return Promise.reject(storageError('closed', this.#file));
    if (this.#notKept !== undefined) return Promise.reject(this.#notKept.error);
    if (!this.#scheduled) this.#schedule();
    return new Promise<T>((resolve, reject) =>
      queue.push({ run, result: undefined, resolve: resolve as (result: unknown) => void, reject, byteLength }),
    );
  }

  #schedule(): void {
    this.#scheduled = true;
    this.#clock.setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
      if (this.#waiting.length + this.#background.length > 0) this.#schedule();
    });
  }

  #flush(): void {
    const changes = take(this.#waiting, MAX_CHANGES);
    changes.push(...take(this.#background, changes.length === 0 ? MAX_CHANGES : MAX_TAKEN_ALONG));
    let done = 0;
    let size = changes.length;
    while (done < changes.length) {
      const part = done === 0 && size >= changes.length ? changes : changes.slice(done, done + size);
      const failure = this.#try(part);
      if (failure === undefined) {
        done += part.length;
        // After a failure the parts grow again, so that many bad changes cost as many attempts, not their square.
        size *= 2;
      } else if (!failure.begun) {
        // It is none of the changes' fault, and may have taken its time: not once more for each of them.
        for (const change of changes.slice(done)) change.reject(failure.error);
        return;
      } else if (failure.index === 0 || part.length === 1) {
        part[0]?.reject(failure.error);
        done++;
        size = Math.max(1, size >> 1);
      } else {
        size = failure.index ?? part.length >> 1;
      }
    }
  }

  /** All of `changes` or none. Tells the change that failed, if it was one of them. */
  #try(changes: readonly Change[]): { begun: boolean; index: number | undefined; error: unknown } | undefined {
    let begun = false;
    let index: number | undefined;
    if (this.#notKept !== undefined) return { begun, index, error: this.#notKept.error };
    try {
      this.#begin.run();
      begun = true;
      for (index = 0; index < changes.length; index++) {
        const change = changes[index] as Change;
        change.result = change.run();
      }
      index = undefined;
      this.#commit.run();
    } catch (error) {
      this.#rollBack();
      this.#takeBack();
      return { begun, index, error: fromDriver(error, this.#file) };
    }
    try {
      this.#assertKept();
    } catch (error) {
      this.#takeBack();
      this.#notKept = { error: fromDriver(error, this.#file) };
      this.#onNotKept(this.#notKept.error);
      return { begun: false, index, error: this.#notKept.error };
    }
    for (const memory of this.#enlisted) memory.committed();
    this.#enlisted.clear();
    for (const change of changes) change.resolve(change.result);
    return undefined;
  }

  #takeBack(): void {
    for (const memory of this.#enlisted) memory.rolledBack();
    this.#enlisted.clear();
  }

  /** SQLite ends some failed transactions by itself. If one cannot be ended, the next cannot begin, and tells why. */
  #rollBack(): void {
    try {
      if (this.#db.isTransaction) this.#rollback.run();
    } catch {
      // What failed first is what is told.
    }
  }
}

/** Removes from the front of `queue` what fits one transaction: at least one, if there is any. */
function take(queue: Change[], maxCount: number): Change[] {
  let count = 0;
  let byteLength = 0;
  for (const change of queue) {
    byteLength += change.byteLength;
    if (count === maxCount || (count > 0 && byteLength > MAX_BYTES)) break;
    count++;
  }
  return queue.splice(0, count);
}
