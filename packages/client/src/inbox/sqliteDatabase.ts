/**
 * A SQLite connection, as far as an inbox needs it: a `DatabaseSync` of `node:sqlite` or `@photostructure/sqlite`, or a
 * `Database` of `better-sqlite3`.
 */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
}

/** Whole numbers as the connection gives them: some are set up for `bigint`. */
export type Whole = number | bigint;

/** A prepared statement of a {@link SqliteDatabase}. */
export interface SqliteStatement {
  run(...parameters: (string | number)[]): unknown;
  get(...parameters: (string | number)[]): unknown;
  all(...parameters: (string | number)[]): unknown[];
}

/**
 * Primary result codes of SQLite that say nothing about what was to be written: busy, locked, out of memory, read-only,
 * input or output failed, full, cannot open, file locking failed.
 */
const FAILURES_OF_THE_DATABASE: ReadonlyMap<number, string> = new Map([
  [5, 'SQLITE_BUSY'],
  [6, 'SQLITE_LOCKED'],
  [7, 'SQLITE_NOMEM'],
  [8, 'SQLITE_READONLY'],
  [10, 'SQLITE_IOERR'],
  [13, 'SQLITE_FULL'],
  [14, 'SQLITE_CANTOPEN'],
  [15, 'SQLITE_PROTOCOL'],
]);

/** Whether the database, and not the statement, is the reason. Drivers tell a number or a name, both may be extended. */
export function isDatabaseFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { errcode, code } = error as { errcode?: unknown; code?: unknown };
  if (typeof errcode === 'number') return FAILURES_OF_THE_DATABASE.has(errcode % 256);
  return (
    typeof code === 'string' &&
    [...FAILURES_OF_THE_DATABASE.values()].some((name) => code === name || code.startsWith(`${name}_`))
  );
}
