import type { OccurrenceInput } from '../occurrence/feedEvent.ts';
import { isInTransaction } from './outboxDatabase.ts';
import type { OutboxDatabase, OutboxStatement } from './outboxDatabase.ts';

/**
 * `AUTOINCREMENT` never gives a number twice, and SQLite has one writer at a time: numbers are in the order of commits.
 * The token tells a row from another one that got its number after the database was set back to an older copy.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS mcp_events_outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL DEFAULT (lower(hex(randomblob(8)))),
    name TEXT NOT NULL,
    event_id TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    data TEXT NOT NULL,
    meta TEXT,
    target TEXT
  );
  CREATE TABLE IF NOT EXISTS mcp_events_outbox_state (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    outbox_id TEXT NOT NULL DEFAULT (lower(hex(randomblob(8)))),
    moved_id INTEGER NOT NULL DEFAULT 0,
    moved_token TEXT NOT NULL DEFAULT ''
  );
  INSERT OR IGNORE INTO mcp_events_outbox_state (only) VALUES (1);
  CREATE TABLE IF NOT EXISTS mcp_events_outbox_owner (only INTEGER PRIMARY KEY CHECK (only = 1), storage_id TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS mcp_events_outbox_refused (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    event_id TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    data TEXT NOT NULL,
    meta TEXT,
    target TEXT,
    reason TEXT NOT NULL,
    refused_at TEXT NOT NULL
  );`;

/** Whole numbers as the author's handle gives them. */
type Whole = number | bigint;

const COLUMNS = 'name, event_id, timestamp, data, meta, target';

/** Rows that are kept aside; beyond it the oldest are forgotten. */
const MAX_REFUSED = 1_000;

/** A row and its token: what the log's note says was moved last. */
export interface OutboxPosition {
  readonly id: number;
  readonly token: string;
}

/** An event that was added and waits. */
export interface OutboxRow extends OutboxPosition {
  readonly name: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly data: string;
  readonly meta: string | null;
  readonly target: string | null;
}

/** A row that cannot become an event. */
export interface Refusal {
  readonly row: OutboxRow;
  readonly reason: string;
  /** ISO 8601. */
  readonly refusedAt: string;
}

/** A refused row as it is stored. */
export type RefusedRow = Omit<OutboxRow, 'id' | 'token'> & { readonly reason: string; readonly refused_at: string };

/** Two servers move rows of one outbox: each log gets some of them, and neither all. */
export class OutboxShared extends Error {
  override readonly name = 'OutboxShared';

  constructor() {
    super(
      'another server moves events of this outbox into a log of its own, so neither log has all of them. Stop one of them, or ' +
        'give it a database of its own',
    );
  }
}

/** The outbox's tables in the author's database. Every method is one step of it, within its caller's turn. */
export class OutboxTable {
  readonly #db: OutboxDatabase;
  readonly #insert: OutboxStatement;
  readonly #after: OutboxStatement;
  readonly #deleteUpTo: OutboxStatement;
  readonly #setState: OutboxStatement;
  readonly #insertRefused: OutboxStatement;
  readonly #trimRefused: OutboxStatement;
  /** What this server settled last, or found at its start. */
  #settled: OutboxPosition;

  constructor(db: OutboxDatabase) {
    this.#db = db;
    db.exec(SCHEMA);
    this.#settled = this.moved;
    this.#insert = db.prepare(`INSERT INTO mcp_events_outbox (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`);
    this.#after = db.prepare('SELECT * FROM mcp_events_outbox WHERE id > ? ORDER BY id LIMIT ?');
    this.#deleteUpTo = db.prepare('DELETE FROM mcp_events_outbox WHERE id <= ?');
    this.#setState = db.prepare('UPDATE mcp_events_outbox_state SET moved_id = ?, moved_token = ?');
    this.#insertRefused = db.prepare(
      `INSERT OR REPLACE INTO mcp_events_outbox_refused (id, ${COLUMNS}, reason, refused_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#trimRefused = db.prepare(
      `DELETE FROM mcp_events_outbox_refused WHERE id NOT IN
       (SELECT id FROM mcp_events_outbox_refused ORDER BY id DESC LIMIT ${MAX_REFUSED})`,
    );
  }

  /** Names this database among others that one server may have an outbox in. */
  get outboxId(): string {
    const row = this.#db.prepare('SELECT outbox_id FROM mcp_events_outbox_state').get() as { outbox_id: string };
    return row.outbox_id;
  }

  /** What was moved last, as far as this database knows. */
  get moved(): OutboxPosition {
    const row = this.#db.prepare('SELECT moved_id, moved_token FROM mcp_events_outbox_state').get();
    const { moved_id: id, moved_token: token } = row as { moved_id: Whole; moved_token: string };
    return { id: Number(id), token };
  }

  /** Id of the storage whose log gets the rows; `undefined` while there is none that lasts. */
  get owner(): string | undefined {
    const row = this.#db.prepare('SELECT storage_id FROM mcp_events_outbox_owner').get();
    return (row as { storage_id: string } | undefined)?.storage_id;
  }

  /** Makes a storage the owner, unless there is one. Returns who it is then. */
  claim(storageId: string): string | undefined {
    this.#db.prepare('INSERT OR IGNORE INTO mcp_events_outbox_owner VALUES (1, ?)').run(storageId);
    return this.owner;
  }

  /** There is no owner any more. */
  release(): void {
    this.#db.exec('DELETE FROM mcp_events_outbox_owner');
  }

  /** Rows that are committed, or not yet: whoever asks has seen to it that no transaction is open. */
  get waiting(): number {
    const { moved } = this;
    const row = this.#db.prepare('SELECT count(*) AS count FROM mcp_events_outbox WHERE id > ?').get(moved.id);
    return Number((row as { count: Whole }).count);
  }

  has({ id, token }: OutboxPosition): boolean {
    return this.#db.prepare('SELECT 1 FROM mcp_events_outbox WHERE id = ? AND token = ?').get(id, token) !== undefined;
  }

  /** Within the author's transaction, if there is one. */
  add({ name, eventId, timestamp, dataJson, _meta, target }: OccurrenceInput): void {
    const meta = _meta === undefined ? null : JSON.stringify(_meta);
    this.#insert.run(name, eventId, timestamp, dataJson ?? '{}', meta, target ?? null);
  }

  after(id: number, limit: number): OutboxRow[] {
    return (this.#after.all(id, limit) as (Omit<OutboxRow, 'id'> & { id: Whole })[]).map((row) => ({
      ...row,
      id: Number(row.id),
    }));
  }

  /** Throws {@link OutboxShared} when somebody else has settled rows since this server did. */
  assertOurs(): void {
    const { moved } = this;
    if (moved.id !== this.#settled.id || moved.token !== this.#settled.token) throw new OutboxShared();
  }

  /**
   * Everything up to `position` is in the log or refused. One transaction.
   *
   * @throws OutboxShared
   */
  settle({ id, token }: OutboxPosition, refusals: readonly Refusal[]): void {
    this.#transaction(() => {
      this.assertOurs();
      for (const { row, reason, refusedAt } of refusals) {
        const { name, event_id: eventId, timestamp, data, meta, target } = row;
        this.#insertRefused.run(row.id, name, eventId, timestamp, data, meta, target, reason, refusedAt);
      }
      if (refusals.length > 0) this.#trimRefused.run();
      this.#deleteUpTo.run(id);
      this.#setState.run(id, token);
    });
    this.#settled = { id, token };
  }

  refused(): RefusedRow[] {
    const columns = `${COLUMNS}, reason, refused_at`;
    return this.#db.prepare(`SELECT ${columns} FROM mcp_events_outbox_refused ORDER BY id`).all() as RefusedRow[];
  }

  /** Puts refused rows at the end of the outbox. */
  addAgain(): number {
    const { length } = this.refused();
    this.#transaction(() => {
      this.#db.exec(
        `INSERT INTO mcp_events_outbox (${COLUMNS}) SELECT ${COLUMNS} FROM mcp_events_outbox_refused ORDER BY id;
         DELETE FROM mcp_events_outbox_refused`,
      );
    });
    return length;
  }

  #transaction(change: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      change();
      this.#db.exec('COMMIT');
    } catch (error) {
      // Some failures have ended it already.
      if (isInTransaction(this.#db)) this.#db.exec('ROLLBACK');
      throw error;
    }
  }
}
