/**
 * Why a storage file cannot be used, or could not store something:
 *
 * - `locked`: another process, or another storage of this one, uses the file
 * - `read-only`: the file, its directory or the file system does not allow writing
 * - `full`: no space is left
 * - `newer-version`: the file was written by a newer version of this package
 * - `not-a-storage-file`: the file is something else
 * - `corrupt`: the file is damaged
 * - `unavailable`: the operating system could not open, read or write it
 * - `replaced`: a file of the storage was removed, moved or replaced while it was in use
 * - `exists`: a backup was to be written where there is a file already
 * - `closed`: the storage was closed
 * - `failed`: anything else; `cause` says more
 */
export type StorageErrorCode =
  | 'locked'
  | 'read-only'
  | 'full'
  | 'newer-version'
  | 'not-a-storage-file'
  | 'corrupt'
  | 'unavailable'
  | 'replaced'
  | 'exists'
  | 'closed'
  | 'failed';

/** A failure of the storage. Decide by `code`; the message is for the operator. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  /** The storage file. */
  readonly file: string;

  constructor(code: StorageErrorCode, file: string, message: string, options?: ErrorOptions) {
    super(`${file}: ${message}`, options);
    this.code = code;
    this.file = file;
  }
}

const messages: Record<Exclude<StorageErrorCode, 'newer-version'>, string> = {
  locked:
    'this process or another is using this file already. One server at a time can: stop the other one, or give this one ' +
    'its own',
  'read-only': 'this file cannot be written. Allow writing to it and to its directory',
  full: 'there is no space left to store anything. Free some, or shorten the retention of event types',
  'not-a-storage-file': 'this file is not a storage of events. It was left alone; choose another path',
  corrupt: 'this file is damaged. Restore a backup of it, or move it away to begin anew',
  unavailable:
    'the operating system could not open, read or write this file. Its directory must exist and be accessible',
  replaced:
    'a file of this storage was removed, moved or replaced while this server used it. Nothing more is stored: stop the ' +
    'server, put back the files that belong together, and start it again',
  exists: 'there is a file already. A backup replaces nothing; choose another path',
  closed: 'this storage is closed',
  failed: 'the operation failed',
};

/** An error of `code` in the words kept for it, with what the engine said. */
export function storageError(
  code: Exclude<StorageErrorCode, 'newer-version'>,
  file: string,
  detail?: string,
  cause?: unknown,
): StorageError {
  const message = detail === undefined ? messages[code] : `${messages[code]} (${detail})`;
  return new StorageError(code, file, message, cause === undefined ? undefined : { cause });
}

/** Primary result codes of SQLite. */
const codes: Readonly<Record<number, Exclude<StorageErrorCode, 'newer-version'>>> = {
  3: 'unavailable',
  5: 'locked',
  6: 'locked',
  8: 'read-only',
  10: 'unavailable',
  11: 'corrupt',
  13: 'full',
  14: 'unavailable',
  22: 'full',
  23: 'unavailable',
  26: 'not-a-storage-file',
};

/** The same of the file system. */
const systemCodes: Readonly<Record<string, Exclude<StorageErrorCode, 'newer-version'>>> = {
  EACCES: 'read-only',
  EPERM: 'read-only',
  EROFS: 'read-only',
  ENOSPC: 'full',
  EDQUOT: 'full',
  EFBIG: 'full',
};

/** No space, file too large, quota exceeded: SQLite itself knows only the first by name. */
const NO_SPACE: ReadonlySet<number> = new Set([28, 27, 122]);

/** EACCES and EISDIR: SQLite says the same of all files that it cannot open. */
const openingMessages: Readonly<Record<number, string>> = {
  13: 'this user may not open this file, or one that SQLite has beside it. Allow reading and writing them',
  21: 'this is a directory, not a file. Name a file in it, or choose another path',
};

/** SQLITE_CORRUPT. */
const DAMAGED = 11;

/** Whether what was to be read is damaged, whereas other failures may pass. Some failures of the driver have no code. */
export function isDamage(error: unknown): boolean {
  const { errcode, message } = error as { errcode?: unknown; message?: unknown };
  return typeof errcode === 'number' ? errcode % 256 === DAMAGED : message === 'database disk image is malformed';
}

/** What SQLite or the file system threw, as our own error. Others stay as they are. */
export function fromDriver(error: unknown, file: string): unknown {
  if (error instanceof Error && typeof (error as { syscall?: unknown }).syscall === 'string') {
    const code = systemCodes[(error as { code?: string }).code ?? ''] ?? 'unavailable';
    return storageError(code, file, error.message, error);
  }
  // All JSON is our own. What the engine says of it quotes it, and payloads are not for logs.
  if (error instanceof SyntaxError) return storageError('corrupt', file, 'a row is no JSON');
  const { systemErrno } = error as { systemErrno?: unknown };
  const errcode = isDamage(error) ? DAMAGED : (error as { errcode?: unknown }).errcode;
  if (!(error instanceof Error) || typeof errcode !== 'number') return error;
  const openingMessage = errcode % 256 === 14 ? openingMessages[systemErrno as number] : undefined;
  if (openingMessage !== undefined) return new StorageError('unavailable', file, openingMessage, { cause: error });
  const code = NO_SPACE.has(systemErrno as number) ? 'full' : (codes[errcode % 256] ?? 'failed');
  return storageError(code, file, error.message, error);
}
