import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { DiskBehaviour } from './diskStorage.ts';
import type { Random } from './random.ts';
import type { WorldRecord } from './worldRecord.ts';

/** Of each time that the storage writes, that its process dies around it. */
const DEATH_RATE = 0.01;

/** What SQLite says of a write that fails. */
const REFUSAL = 'the simulated file takes nothing';

export interface SqliteFaultsOptions {
  readonly random: Random;
  readonly world: WorldRecord;
  readonly behaviour: DiskBehaviour;
  /** Ends the process that runs now. Returns whether there was one. */
  readonly kill: () => boolean;
}

/**
 * What happens when the storage in SQLite writes what it has gathered: its file takes nothing, or the process dies before
 * it, or right after it, when nobody has been answered yet.
 */
export class SqliteFaults {
  readonly #options: SqliteFaultsOptions;
  /** Connections from outside, by file. */
  readonly #outside = new Map<string, DatabaseSyncInstance>();
  /** Without it nobody dies. */
  isDeadly = true;

  constructor(options: SqliteFaultsOptions) {
    this.#options = options;
  }

  /** Around each write of the storage in a file. */
  around(file: string, write: () => void): void {
    const { random, world, behaviour, kill } = this.#options;
    const fails = behaviour.writeFailure > 0 && random.chance(behaviour.writeFailure);
    const dies = this.isDeadly && random.chance(DEATH_RATE);
    const isBefore = dies && random.chance(0.5);
    if (isBefore && kill()) world.faults.add('sqlite: killed before a write');
    if (fails) world.faults.add('sqlite: write fails');
    if (fails) this.#refusing(file, write);
    else write();
    if (dies && !isBefore && kill()) world.faults.add('sqlite: killed before an answer');
  }

  /** Whether an error of the storage comes of it. */
  expects(error: unknown): boolean {
    return error instanceof Error && error.message.includes(REFUSAL);
  }

  close(): void {
    for (const db of this.#outside.values()) db.close();
  }

  #refusing(file: string, write: () => void): void {
    let db = this.#outside.get(file);
    if (db === undefined) this.#outside.set(file, (db = new DatabaseSync(file)));
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all();
    const names = tables.map(({ name }) => String(name));
    for (const name of names) {
      db.exec(`CREATE TRIGGER refuse_${name} BEFORE INSERT ON ${name} BEGIN SELECT RAISE(ABORT, '${REFUSAL}'); END`);
    }
    try {
      write();
    } finally {
      // Retention may have removed a table, and its trigger with it.
      for (const name of names) db.exec(`DROP TRIGGER IF EXISTS refuse_${name}`);
    }
  }
}
