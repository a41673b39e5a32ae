import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { type Checks, checkMembers, func, having, text } from '@mcp-events/protocol/options';
import { systemClock } from '@mcp-events/server';
import type { Clock, Storage } from '@mcp-events/server';
import { FileIdentity, LOOK_INTERVAL_MS } from './fileIdentity.ts';
import { loadFileLock, OWNER_ONLY } from './fileLock.ts';
import type { FileLock } from './fileLock.ts';
import { checkIntegrity } from './integrity.ts';
import { migrate, versionOf } from './migrate.ts';
import { migrations } from './schema.ts';
import { OpenSqliteStorage } from './sqliteStorage.ts';
import { fromDriver, storageError } from './storageError.ts';

/** Options of {@link openSqliteStorage}. */
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

const sqliteOptions: Checks<Required<SqliteStorageOptions>> = {
  file: text,
  clock: having(['now', 'monotonicMs', 'setTimeout', 'clearTimeout', 'setImmediate'], 'a Clock, as systemClock is'),
  onWarning: func,
  createEpoch: func,
};

/** Storage in one SQLite file. */
export interface SqliteStorage extends Storage {
  /**
   * Writes a copy of the storage as it is at this moment, while the server goes on. The copy can be opened like any
   * storage file.
   *
   * @param toFile a path where there is no file yet
   * @throws StorageError `exists` if there is one; others as for any file
   */
  backup(toFile: string): Promise<void>;
  /** Resolves when everything that was asked for is stored, or has failed, and the file is free for others. */
  close(): Promise<void>;
}

/** Memory for pages of the file. Positions of subscriptions are written in any order; all of 100,000 fit. */
const CACHE_KIB = 32 * 1024;

/** What the write-ahead log is cut down to after a reader that held it up. About what it has otherwise. */
const WAL_BYTES = 8 * 1024 * 1024;

/** How long a tool that writes to the file from outside may hold up the server before writes fail. */
const BUSY_MS = 1_000;

/**
 * Opens a storage file, or creates it.
 *
 * @throws StorageError when the file is in use, cannot be read or written, is damaged, is of a newer version, or is
 * something else; TypeError when no file is named, and for an option that does not exist or cannot be used
 */
export async function openSqliteStorage(options: SqliteStorageOptions): Promise<SqliteStorage> {
  return openFile(options, () => {});
}

/** @param prepare what a test does to the connection, such as making its space small */
export async function openFile(
  options: SqliteStorageOptions,
  prepare: (db: DatabaseSyncInstance) => void,
): Promise<SqliteStorage> {
  // Without types, the path alone is an easy mistake.
  if (typeof options?.file !== 'string' || options.file === '') {
    throw new TypeError("openSqliteStorage needs the path of a file as option `file`, as in { file: 'events.db' }");
  }
  checkMembers<Required<SqliteStorageOptions>>(options, sqliteOptions, 'the options of openSqliteStorage');
  const { clock = systemClock, onWarning = () => {}, createEpoch = randomEpoch } = options;
  const file = locate(options.file);
  const connect = (): DatabaseSyncInstance => new DatabaseSync(file, { timeout: BUSY_MS });
  const takeLock = await loadFileLock();
  let lock: FileLock | undefined;
  let db: DatabaseSyncInstance | undefined;
  try {
    // SQLite makes files beside this one, and would only say that it cannot open something.
    accessSync(dirname(file), constants.W_OK);
    // Before there is a lock, which may have a file that would be left beside a file of something else. To remove it again
    // would not be safe: another process may have opened it already, and would lock what the next one no longer finds.
    if (existsSync(file)) {
      db = connect();
      versionOf(db, file, migrations.length);
    } else closeSync(openSync(file, 'a', OWNER_ONLY));
    lock = takeLock(file);
    db ??= connect();
    migrate(db, file, migrations);
    const { journal_mode: mode } = db.prepare('PRAGMA journal_mode = WAL').get() as { journal_mode: string };
    if (mode !== 'wal') throw storageError('unavailable', file, 'the file system does not allow a write-ahead log');
    // Every commit reaches the disk before it is answered, so that a power failure takes back nothing either (EMIT-25).
    // macOS answers a plain fsync while its disk may still hold the data in a cache; elsewhere the second one says nothing.
    db.exec('PRAGMA synchronous = FULL; PRAGMA fullfsync = ON');
    db.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA journal_size_limit = ${WAL_BYTES}`);
    checkIntegrity(db, file);
    prepare(db);
    lock.protect();
    const paths = [file, `${file}-wal`, ...(lock.lockFile === undefined ? [] : [lock.lockFile])];
    const lookIntervalMs = lock.keepsFiles ? LOOK_INTERVAL_MS : 0;
    const identity = new FileIdentity({ file, paths, clock, lookIntervalMs });
    return new OpenSqliteStorage({ db, lock, identity, file, clock, createEpoch, onWarning });
  } catch (error) {
    lock?.unprotect();
    db?.close();
    lock?.release();
    throw fromDriver(error, file);
  }
}

/** One file has one path, whatever links lead to it: the lock is found by it. */
function locate(path: string): string {
  const file = resolve(path);
  try {
    // Throws for links that lead back to themselves.
    if (statSync(file, { throwIfNoEntry: false }) !== undefined) return realpathSync(file);
    const folder = realpathSync(dirname(file));
    const isLink = lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    // The file it leads to is yet to be created.
    return isLink ? locate(resolve(folder, readlinkSync(file))) : join(folder, basename(file));
  } catch (error) {
    throw storageError('unavailable', file, (error as Error).message, error);
  }
}

function randomEpoch(): string {
  return crypto.randomUUID().replaceAll('-', '').slice(0, 16);
}
