/** One prepared statement of {@link OutboxDatabase}. */
export interface OutboxStatement {
  /** Executes it; what it returns is not looked at. */
  run(...values: (string | number | null)[]): unknown;
  /** The first row, `undefined` when there is none. */
  get(...values: (string | number | null)[]): unknown;
  /** All rows. */
  all(...values: (string | number | null)[]): unknown[];
}

/**
 * The author's own handle on his SQLite database. `DatabaseSync` of `node:sqlite` (Node.js 22.16) and of
 * `@photostructure/sqlite` fit, and `better-sqlite3`. It has to say whether a transaction is open, since nothing else
 * tells what is committed.
 */
export interface OutboxDatabase {
  /** Executes statements without values. */
  exec(sql: string): unknown;
  /** A statement to be executed many times. */
  prepare(sql: string): OutboxStatement;
  /** As `node:sqlite` says it. */
  readonly isTransaction?: boolean;
  /** As `better-sqlite3` says it. */
  readonly inTransaction?: boolean;
}

/** Whether the author is in the middle of a transaction: what is read then may be taken back. */
export function isInTransaction(db: OutboxDatabase): boolean {
  return db.isTransaction ?? db.inTransaction ?? false;
}

/** Throws a `TypeError` for a handle that cannot be used. */
export function assertUsable(db: OutboxDatabase): void {
  if (db.isTransaction === undefined && db.inTransaction === undefined) {
    throw new TypeError(
      'the database handle of the outbox says neither isTransaction nor inTransaction; node:sqlite does from Node.js 22.16, better-sqlite3 and @photostructure/sqlite always do',
    );
  }
  if (isInTransaction(db)) throw new TypeError('open the outbox outside of a transaction');
}
