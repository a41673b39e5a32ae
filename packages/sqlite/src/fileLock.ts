import { closeSync, existsSync, fstatSync, openSync, statSync } from 'node:fs';
import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { storageError } from './storageError.ts';

/** What is used of the package `fs-native-extensions`, which has no declarations of its own. */
interface NativeLocks {
  /**
   * Locks a range of an open file, or all of it with length 0. On Linux the lock belongs to the open file, not to the
   * process; on macOS it covers the whole file whatever the range.
   *
   * @returns whether it is locked now; `false` when somebody else has it
   */
  tryLock(fd: number, offset: number, length: number, options: { readonly shared: boolean }): boolean;
  unlock(fd: number, offset: number, length: number): void;
}

/** A range of bytes of a file. */
interface Range {
  readonly offset: number;
  readonly length: number;
}

/** Where SQLite's locks on a database are; no page of it is ever stored there. Of its file format, which never changes. */
const PENDING_BYTE = 0x40_00_00_00;
/** Every connection has it, shared. The one that gets it for itself is the last, and removes the write-ahead log. */
const CONNECTED: Range = { offset: PENDING_BYTE + 2, length: 510 };
/** In the index of the write-ahead log: a connection that finds nobody there believes it abandoned, and empties it. */
const INDEX_IN_USE: Range = { offset: 128, length: 1 };
/** Ours, on the page of those locks: one server at a time. */
const SERVING: Range = { offset: PENDING_BYTE + 2_048, length: 1 };
const WHOLE_FILE: Range = { offset: 0, length: 0 };

/** Keeps other servers away from a storage file, and its files in their places, for as long as this process lives. */
export interface FileLock {
  /** The file beside the storage that this lock depends on, if it does. */
  readonly lockFile: string | undefined;
  /** Whether no tool that merely opens and closes the storage's files can have one of them removed. */
  readonly keepsFiles: boolean;
  /** To be called when the connection is open: from now on no other connection takes itself for the last. */
  protect(): void;
  /** Lets this process's own connection be the last one, which puts the files in order. */
  unprotect(): void;
  /** To be called after the connection was closed. */
  release(): void;
}

/** Mode of the files of a storage: they hold payloads. */
export const OWNER_ONLY = 0o600;

/**
 * What locks a storage file, which has to exist. A lock ends with the process however that ends, and leaves the file
 * readable for tools. Taking one throws what the driver or the file system throws, and a StorageError `locked` when
 * somebody else has it.
 *
 * SQLite's own locks are not enough: the operating system drops them all as soon as any part of the process closes the
 * file, a copy of its folder for example. Then a second server could begin, and a tool that merely reads would remove the
 * write-ahead log, with all that is stored afterwards. The locks taken here belong to an open file.
 */
export async function loadFileLock(): Promise<(file: string) => FileLock> {
  let native: NativeLocks;
  try {
    // @ts-expect-error It has no declarations.
    ({ default: native } = (await import('fs-native-extensions')) as { readonly default: NativeLocks });
  } catch {
    // There is none for this platform, such as Linux with musl.
    return (file) => new TransactionLock(file);
  }
  return (file) => new OpenFileLock(native, file);
}

/** Locks that belong to an open file. */
class OpenFileLock implements FileLock {
  readonly lockFile: string | undefined;
  readonly keepsFiles = true;
  readonly #native: NativeLocks;
  readonly #file: string;
  readonly #canLockRanges: boolean;
  /** Never closed while SQLite has the file open: that would end SQLite's locks. */
  readonly #fds: number[] = [];
  readonly #fd: number;

  constructor(native: NativeLocks, file: string) {
    this.#native = native;
    this.#file = file;
    this.#canLockRanges = process.platform !== 'darwin';
    this.lockFile = this.#canLockRanges ? undefined : `${file}.lock`;
    try {
      this.#fd = this.#open(file, 'r+');
      const [fd, range] =
        this.lockFile === undefined ? [this.#fd, SERVING] : [this.#open(this.lockFile, 'a'), WHOLE_FILE];
      const isLocked = native.tryLock(fd, range.offset, range.length, { shared: false });
      // It may have been replaced since it was opened.
      if (!isLocked || !isSame(fd, this.lockFile ?? file)) throw storageError('locked', file);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  protect(): void {
    // Windows has no such habit, and locks there would keep SQLite itself from reading.
    if (process.platform === 'win32') return;
    this.#share(this.#fd, CONNECTED);
    if (this.#canLockRanges) this.#share(this.#open(`${this.#file}-shm`, 'r+'), INDEX_IN_USE);
  }

  unprotect(): void {
    if (process.platform !== 'win32') this.#native.unlock(this.#fd, CONNECTED.offset, CONNECTED.length);
  }

  release(): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd);
  }

  #open(path: string, flags: string): number {
    const fd = openSync(path, flags, OWNER_ONLY);
    this.#fds.push(fd);
    return fd;
  }

  #share(fd: number, { offset, length }: Range): void {
    if (!this.#native.tryLock(fd, offset, length, { shared: true })) throw storageError('locked', this.#file);
  }
}

/** Where nothing better is to be had: a transaction on a file of its own, which a process that closes that file loses. */
class TransactionLock implements FileLock {
  readonly lockFile: string;
  readonly keepsFiles = false;
  readonly #db: DatabaseSyncInstance;

  constructor(file: string) {
    this.lockFile = `${file}.lock`;
    if (!existsSync(this.lockFile)) closeSync(openSync(this.lockFile, 'a', OWNER_ONLY));
    this.#db = new DatabaseSync(this.lockFile);
    try {
      // On a file that can only be read SQLite begins as well, and locks nothing; but then it does not write.
      this.#db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE; PRAGMA user_version = 1');
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  protect(): void {}

  unprotect(): void {}

  release(): void {
    this.#db.close();
  }
}

function isSame(fd: number, path: string): boolean {
  const [opened, named] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })];
  return opened.ino === named?.ino && opened.dev === named.dev;
}
