import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';

/**
 * Keeps other processes away from a storage file for as long as this one lives. The lock is a transaction on a file of
 * its own, so it ends with the process however that ends, and the storage file itself stays readable for tools.
 */
export class FileLock {
  readonly #db: DatabaseSyncInstance;

  /** Throws what the driver throws; a lock that is held elsewhere is SQLITE_BUSY. */
  constructor(file: string) {
    this.#db = new DatabaseSync(`${file}.lock`);
    try {
      this.#db.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  release(): void {
    this.#db.close();
  }
}
