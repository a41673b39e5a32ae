import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import type { StoredSubscription, SubscriptionStore } from '@mcp-events/server';
import type { GroupCommit } from './groupCommit.ts';
import { fromDriver } from './storageError.ts';

/** Records read at a time: an iteration that is given up, or that goes on while others write, holds nothing open. */
const PAGE_LIMIT = 1_000;

/** What changes with deliveries. The rest was agreed with the client and is rarely written. */
type ProgressMember = 'cursor' | 'settled' | 'suspended' | 'failing' | 'gapAfter';

type Row = [
  id: string,
  agreed: string,
  cursor: string | null,
  settled: string | null,
  /** Null if there is no progress of it. */
  suspended: number | null,
  failing: string | null,
  gapAfter: string | null,
];

export class SqliteSubscriptions implements SubscriptionStore {
  readonly #commit: GroupCommit;
  readonly #file: string;
  readonly #page: StatementSyncInstance;
  readonly #saveAgreed: StatementSyncInstance;
  readonly #saveProgress: StatementSyncInstance;
  readonly #deleteAgreed: StatementSyncInstance;
  readonly #deleteProgress: StatementSyncInstance;

  constructor(db: DatabaseSyncInstance, commit: GroupCommit, file: string) {
    this.#commit = commit;
    this.#file = file;
    this.#page = db.prepare(
      `SELECT id, agreed, cursor, settled, suspended, failing, gap_after
       FROM subscriptions LEFT JOIN subscription_progress USING (id) WHERE id > ? ORDER BY id LIMIT ?`,
    );
    // An object for each row would cost as much as everything else.
    this.#page.setReturnArrays(true);
    this.#saveAgreed = db.prepare(
      `INSERT INTO subscriptions (id, agreed) VALUES (?, ?)
       ON CONFLICT (id) DO UPDATE SET agreed = excluded.agreed WHERE agreed <> excluded.agreed`,
    );
    this.#saveProgress = db.prepare(
      `INSERT OR REPLACE INTO subscription_progress (id, cursor, settled, suspended, failing, gap_after)
       VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#deleteAgreed = db.prepare('DELETE FROM subscriptions WHERE id = ?');
    this.#deleteProgress = db.prepare('DELETE FROM subscription_progress WHERE id = ?');
  }

  *load(): Generator<StoredSubscription> {
    let rows: Row[];
    let last = '';
    do {
      rows = this.#read(last);
      for (const row of rows) yield subscriptionOf(row);
      last = rows.at(-1)?.[0] ?? last;
    } while (rows.length === PAGE_LIMIT);
  }

  #read(after: string): Row[] {
    try {
      return this.#page.all(after, PAGE_LIMIT) as Row[];
    } catch (error) {
      throw fromDriver(error, this.#file);
    }
  }

  save(subscription: StoredSubscription): Promise<void> {
    // As it is now: the caller may go on with its own.
    const { cursor, settled, suspended, failing, gapAfter, ...agreed } = subscription;
    const { id } = agreed;
    const agreedJson = JSON.stringify(agreed);
    const settledJson = settled.length === 0 ? null : JSON.stringify(settled);
    const failingJson = failing === null ? null : JSON.stringify(failing);
    return this.#commit.writeInBackground(
      () => {
        this.#saveAgreed.run(id, agreedJson);
        this.#saveProgress.run(id, cursor, settledJson, Number(suspended), failingJson, gapAfter);
      },
      agreedJson.length + (settledJson?.length ?? 0),
    );
  }

  delete(id: string): Promise<void> {
    return this.#commit.writeInBackground(() => {
      this.#deleteAgreed.run(id);
      this.#deleteProgress.run(id);
    });
  }
}

/** A damaged row is one record that cannot be read, which its reader reports: the others are fine. */
function subscriptionOf([id, agreed, cursor, settled, suspended, failing, gapAfter]: Row): StoredSubscription {
  if (suspended === null) return { id } as StoredSubscription;
  try {
    return Object.assign(JSON.parse(agreed) as Omit<StoredSubscription, ProgressMember>, {
      cursor,
      settled: settled === null ? [] : (JSON.parse(settled) as string[]),
      suspended: suspended === 1,
      failing: failing === null ? null : (JSON.parse(failing) as StoredSubscription['failing']),
      gapAfter,
    });
  } catch {
    return { id } as StoredSubscription;
  }
}
