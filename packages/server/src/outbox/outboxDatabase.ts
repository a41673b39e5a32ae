/** One prepared statement of {@link OutboxDatabase}. */
export interface OutboxStatement {
  run(...values: (string | number | null)[]): unknown;
  get(...values: (string | number | null)[]): unknown;
  all(...values: (string | number | null)[]): unknown[];
}

/**
 * The author's own handle on his SQLite database. `DatabaseSync` of `node:sqlite` (Node.js 22.16) and of
 * `@photostructure/sqlite` fit, and `better-sqlite3`. It has to say whether a transaction is open, since nothing else
 * tells what is committed.
 */
export interface OutboxDatabase {
  exec(sql: string): unknown;
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
