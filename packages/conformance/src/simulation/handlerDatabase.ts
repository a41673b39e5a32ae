import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { SqliteDatabase, SqliteStatement } from '@mcp-events/client/sqlite';
import type { Random } from './random.ts';
import { SQLITE_PARTS, SQLITE_ROOM } from './sqliteFiles.ts';

/** What happens around each statement. Changed while the database is in use. */
export interface DatabaseBehaviour {
  /** That the disk is full. */
  failure: number;
  /** That the process dies before it, or right after. */
  death: number;
}

/** What one life of an application has to do with it. */
export interface DatabaseUser {
  readonly isAlive: () => boolean;
  /** Something was done that others may react to. */
  readonly onUse: () => void;
  /** A transaction was committed. */
  readonly onCommit: () => void;
  /** The process dies in the middle of what it does. */
  readonly die: () => void;
}

/** An event as a handler wrote it down, in the transaction that also stores the position. */
export interface WrittenEvent {
  readonly number: number;
  readonly subscription: string;
  readonly eventId: string;
  readonly hash: string;
}

/** SQLite's code for a disk that is full. */
const SQLITE_FULL = 13;

/**
 * The database of an application whose handlers write into it: the real SQLite, in files that outlive its processes as they
 * are at the moment of a kill. What a dead process still does reaches nobody.
 */
export class HandlerDatabase {
  readonly behaviour: DatabaseBehaviour = { failure: 0, death: 0 };
  readonly random: Random;
  readonly #folder = mkdtempSync(join(SQLITE_ROOM, 'mcp-events-handlers-'));
  readonly #open: DatabaseSyncInstance[] = [];
  #lives = 0;
  #current: DatabaseSyncInstance | undefined;
  #isOpening = false;
  /** The latest row that was told of. */
  #told = 0;

  constructor(random: Random) {
    this.random = random;
    mkdirSync(this.#lifeFolder);
  }

  /** The database as a new life has it, of which nothing fails while that begins to use it. */
  open<T>(user: DatabaseUser, begin: (db: SqliteDatabase) => T): T {
    const db = new DatabaseSync(join(this.#lifeFolder, FILE));
    db.exec('PRAGMA journal_mode = WAL');
    db.exec(
      'CREATE TABLE IF NOT EXISTS written (number INTEGER PRIMARY KEY, subscription TEXT NOT NULL, event_id TEXT NOT NULL, hash TEXT NOT NULL)',
    );
    this.#open.push(db);
    this.#current = db;
    this.#isOpening = true;
    const result = begin({
      exec: (sql) => db.exec(sql),
      prepare: (sql) => this.#statement(db.prepare(sql), sql, user),
    });
    this.#isOpening = false;
    return result;
  }

  /** Events that were committed and not told of yet. */
  untold(): WrittenEvent[] {
    const sql = 'SELECT number, subscription, event_id AS eventId, hash FROM written WHERE number > ? ORDER BY number';
    const rows = this.#current?.prepare(sql).all(this.#told) as unknown as WrittenEvent[] | undefined;
    this.#told = rows?.at(-1)?.number ?? this.#told;
    return rows ?? [];
  }

  /** Its process is gone: the next one has what the files hold now. */
  kill(): void {
    const before = this.#lifeFolder;
    this.#current = undefined;
    this.#lives++;
    mkdirSync(this.#lifeFolder);
    for (const part of SQLITE_PARTS) {
      const file = join(before, `${FILE}${part}`);
      if (existsSync(file)) copyFileSync(file, join(this.#lifeFolder, `${FILE}${part}`));
    }
  }

  /** At the end of a run. */
  dispose(): void {
    for (const db of this.#open) db.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #lifeFolder(): string {
    return join(this.#folder, String(this.#lives));
  }

  #statement(statement: SqliteStatement, sql: string, user: DatabaseUser): SqliteStatement {
    const around = <R>(step: () => R): R => this.#around(step, sql, user);
    return {
      run: (...parameters) => around(() => statement.run(...parameters)),
      get: (...parameters) => around(() => statement.get(...parameters)),
      all: (...parameters) => around(() => statement.all(...parameters)),
    };
  }

  #around<R>(step: () => R, sql: string, user: DatabaseUser): R {
    const { random, behaviour } = this;
    if (this.#isOpening) return step();
    user.onUse();
    const dies = user.isAlive() && behaviour.death > 0 && random.chance(behaviour.death);
    if (dies && random.chance(0.5)) user.die();
    if (user.isAlive() && behaviour.failure > 0 && sql !== 'ROLLBACK' && random.chance(behaviour.failure)) {
      throw Object.assign(new Error('the simulated disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: SQLITE_FULL });
    }
    // Also for a process that is dead: it goes on with files that nobody has any more.
    const result = step();
    if (dies && user.isAlive()) user.die();
    if (sql === 'COMMIT' && user.isAlive()) user.onCommit();
    return result;
  }
}

const FILE = 'application.db';
