import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { SqliteDatabase, SqliteStatement } from '../../src/sqlite.ts';

/** A database as one process sees it: the process can be killed between any two calls. */
export class CrashingDatabase implements SqliteDatabase {
  readonly #db: DatabaseSyncInstance;
  readonly #onCrash: () => void;
  /** Calls until the process dies. */
  callsLeft = Infinity;
  #dead = false;

  constructor(db: DatabaseSyncInstance, onCrash: () => void) {
    this.#db = db;
    this.#onCrash = onCrash;
  }

  exec(sql: string): void {
    this.#call(() => this.#db.exec(sql));
  }

  prepare(sql: string): SqliteStatement {
    if (this.#dead) throw new Error('dead');
    const statement = this.#db.prepare(sql);
    return {
      run: (...parameters) => this.#call(() => statement.run(...parameters)),
      get: (...parameters) => this.#call(() => statement.get(...parameters)),
      all: (...parameters) => this.#call(() => statement.all(...parameters)),
    };
  }

  /** The process is gone; what it had not committed is undone. */
  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    this.#onCrash();
  }

  #call<R>(call: () => R): R {
    if (this.callsLeft <= 0) this.kill();
    if (this.#dead) throw new Error('dead');
    this.callsLeft -= 1;
    return call();
  }
}
