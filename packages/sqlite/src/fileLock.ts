import { closeSync, existsSync, openSync } from 'node:fs';
import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';

/**
 * Keeps other processes away from a storage file for as long as this one lives. The lock is a transaction on a file of
 * its own, so it ends with the process however that ends, and the storage file itself stays readable for tools.
 */
export class FileLock {
  readonly #db: DatabaseSyncInstance;

  /** Throws what the driver or the file system throws; a lock that is held elsewhere is SQLITE_BUSY. */
  constructor(file: string) {
    const path = `${file}.lock`;
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
    this.#db = new DatabaseSync(path);
    try {
      // On a file that can only be read SQLite begins as well, and locks nothing; but then it does not write.
      this.#db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE; PRAGMA user_version = 1');
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  release(): void {
    this.#db.close();
  }
}
