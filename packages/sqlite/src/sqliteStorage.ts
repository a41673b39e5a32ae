import { statSync } from 'node:fs';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { tell } from '@mcp-events/protocol/options';
import type { Clock, EventLog, Retention, Storage } from '@mcp-events/server';
import { backUp } from './backup.ts';
import type { FileIdentity } from './fileIdentity.ts';
import type { FileLock } from './fileLock.ts';
import { GroupCommit } from './groupCommit.ts';
import { Past } from './log/past.ts';
import type { PastContext, PastRow } from './log/past.ts';
import { SqliteLog } from './log/sqliteLog.ts';
import type { LogSlot } from './log/sqliteLog.ts';
import { SqliteDeadLetters } from './sqliteDeadLetters.ts';
import { SqliteNotes } from './sqliteNotes.ts';
import { SqliteSubscriptions } from './sqliteSubscriptions.ts';
import { Statements } from './statements.ts';
import { storageError } from './storageError.ts';

/** How often rows are removed that nobody can read any more, where no append does it. */
const SWEEP_MS = 60_000;

export interface SqliteStorageParts {
  readonly db: DatabaseSyncInstance;
  readonly lock: FileLock;
  readonly identity: FileIdentity;
  readonly file: string;
  readonly clock: Clock;
  readonly createEpoch: () => string;
  readonly onWarning: (message: string) => void;
}

export class OpenSqliteStorage implements Storage {
  readonly durable = true;
  readonly subscriptions: SqliteSubscriptions;
  readonly deadLetters: SqliteDeadLetters;
  readonly notes: SqliteNotes;
  readonly #parts: SqliteStorageParts;
  readonly #commit: GroupCommit;
  readonly #context: PastContext;
  readonly #slots = new Map<string, LogSlot>();
  readonly #rows = new Map<string, PastRow>();
  #lastId = 0;
  #sweepTimer: unknown;
  #closed = false;
  #closing: Promise<void> | undefined;
  /** Ends when the last backup that was asked for has. */
  #backup: Promise<void> = Promise.resolve();

  constructor(parts: SqliteStorageParts) {
    const { db, file, clock, identity, createEpoch } = parts;
    this.#parts = parts;
    this.#commit = new GroupCommit({
      db,
      file,
      clock,
      assertKept: () => identity.assertUnchangedLately(),
      onNotKept: (error) => this.#notKept(error),
    });
    db.function('new_epoch', createEpoch);
    this.notes = new SqliteNotes(db, this.#commit);
    this.subscriptions = new SqliteSubscriptions(db, this.#commit, file);
    this.deadLetters = new SqliteDeadLetters(db, this.#commit, file);
    this.#context = {
      db,
      statements: new Statements(db),
      commit: this.#commit,
      notes: this.notes,
      clock,
      onStored: () => this.#sweepLater(),
      onProblem: (error) => this.#report(error),
    };
    // A restored backup (backup.ts).
    this.#context.statements.get("UPDATE logs SET epoch = new_epoch() WHERE epoch = ''").run();
    for (const row of db.prepare('SELECT * FROM logs ORDER BY id').all() as PastRow[]) {
      this.#lastId = row.id;
      if (row.live === 1) this.#rows.set(row.name, row);
      else new Past(this.#context, row, true).drop();
    }
  }

  openLog(name: string, retention: Retention): EventLog {
    if (this.#closed) throw storageError('closed', this.#parts.file);
    const slot = this.#slots.get(name) ?? this.#openSlot(name, retention);
    slot.past.retention = retention;
    this.#sweepLater();
    return new SqliteLog(slot, this.#commit, this.#parts.file);
  }

  async backup(toFile: string): Promise<void> {
    const { file, identity } = this.#parts;
    if (this.#closed) throw storageError('closed', file);
    // What is there by this name now may be something else.
    identity.assertUnchanged();
    // One after the other, so that none writes where another does.
    const done = this.#backup.then(async () => backUp(file, toFile));
    this.#backup = done.catch(() => {});
    await done;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { db, lock, clock } = this.#parts;
    this.#closed = true;
    clock.clearTimeout(this.#sweepTimer);
    this.#commit.close();
    await this.#backup;
    // The driver keeps a closed connection, and its write-ahead log, until its statements are collected. The file alone is
    // to be complete.
    this.#completeFile();
    lock.unprotect();
    db.close();
    lock.release();
  }

  /** Moves everything from the write-ahead log to the file itself. */
  #completeFile(): void {
    try {
      this.#parts.db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // What is stored is safe in the log as well.
    }
  }

  /**
   * What was promised before may be in a log that was removed, and would go with this process. The file itself can still
   * take it, unless somebody has begun a new log for it.
   */
  #notKept(error: unknown): void {
    try {
      const log = statSync(`${this.#parts.file}-wal`, { throwIfNoEntry: false });
      if (log === undefined || log.size === 0) this.#completeFile();
    } catch {
      // It cannot be looked at: where the file itself is, is not known either.
    }
    this.#report(error);
  }

  #report(error: unknown): void {
    if (this.#closed) return;
    // Whoever is told must not stop what is told.
    tell(() => this.#parts.onWarning(`storage: ${error instanceof Error ? error.message : String(error)}`));
  }

  #openSlot(name: string, retention: Retention): LogSlot {
    const row = this.#rows.get(name);
    const begin = (before?: Past): Past => {
      const fresh = {
        id: ++this.#lastId,
        name,
        epoch: this.#parts.createEpoch(),
        oldest: 1,
        head: 0,
        live: 1,
        ancestors: null,
      };
      const past = new Past(this.#context, fresh, false, before);
      past.retention = slot.past?.retention ?? retention;
      return past;
    };
    const slot: LogSlot = { past: undefined as unknown as Past, begin };
    if (row === undefined) {
      const past = begin();
      slot.past = past;
      // So that cursors of an empty log survive. If it fails, the first append does it.
      this.#commit.write(() => past.ensure()).catch(this.#context.onProblem);
    } else {
      slot.past = new Past(this.#context, row, true);
    }
    this.#slots.set(name, slot);
    return slot;
  }

  /** Removes in a while what has expired by then. Only while there is something that will. */
  #sweepLater(): void {
    if (this.#closed || this.#sweepTimer !== undefined || ![...this.#slots.values()].some(({ past }) => past.expires))
      return;
    this.#sweepTimer = this.#parts.clock.setTimeout(() => {
      this.#sweepTimer = undefined;
      for (const { past } of this.#slots.values()) past.sweep(1);
      this.#sweepLater();
    }, SWEEP_MS);
  }
}
