import { resolve } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { systemClock } from '@mcp-events/server';
import type { Clock, Storage } from '@mcp-events/server';
import { FileLock } from './fileLock.ts';
import { migrate } from './migrate.ts';
import { migrations } from './schema.ts';
import { OpenSqliteStorage } from './sqliteStorage.ts';
import { fromDriver, storageError } from './storageError.ts';

export interface SqliteStorageOptions {
  /** Path of the file. It is created if there is none; its directory must exist. */
  readonly file: string;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Problems that no caller hears of, such as old events that could not be removed. Default: none are told. */
  readonly onWarning?: (message: string) => void;
  /** A name that no other past has. Default: random. */
  readonly createEpoch?: () => string;
}

/** Storage in one SQLite file. */
export interface SqliteStorage extends Storage {
  /** Resolves when everything that was asked for is stored, or has failed, and the file is free for others. */
  close(): Promise<void>;
}

/**
 * Opens a storage file, or creates it.
 *
 * @throws StorageError when the file is used by another process, cannot be written, is damaged, is of a newer version, or
 * is something else
 */
export async function openSqliteStorage(options: SqliteStorageOptions): Promise<SqliteStorage> {
  const { clock = systemClock, onWarning = () => {}, createEpoch = randomEpoch } = options;
  const file = resolve(options.file);
  let lock: FileLock | undefined;
  let db: DatabaseSyncInstance | undefined;
  try {
    lock = new FileLock(file);
    db = new DatabaseSync(file, { timeout: BUSY_MS });
    migrate(db, file, migrations);
    const { journal_mode: mode } = db.prepare('PRAGMA journal_mode = WAL').get() as { journal_mode: string };
    if (mode !== 'wal') throw storageError('unavailable', file, `the file system does not allow a write-ahead log`);
    // Every commit reaches the disk before it is answered, so that a power failure takes back nothing either.
    db.exec('PRAGMA synchronous = FULL');
    return new OpenSqliteStorage({ db, lock, file, clock, createEpoch, onWarning });
  } catch (error) {
    db?.close();
    lock?.release();
    throw fromDriver(error, file);
  }
}

/** How long a tool that writes to the file from outside may hold up the server before writes fail. */
const BUSY_MS = 1_000;

function randomEpoch(): string {
  return crypto.randomUUID().replaceAll('-', '').slice(0, 16);
}
