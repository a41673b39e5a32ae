import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import type { StoredSubscription, SubscriptionStore } from '@mcp-events/server';
import type { GroupCommit } from './groupCommit.ts';

/** Records read at a time: an iteration that is given up, or that goes on while others write, holds nothing open. */
const PAGE_LIMIT = 1_000;

/** What changes with deliveries. The rest was agreed with the client and is rarely written. */
type Progress = Pick<StoredSubscription, 'settled' | 'suspended' | 'failing' | 'gapOwed'>;

interface Row {
  readonly rowid: number;
  readonly id: string;
  readonly cursor: string | null;
  readonly progress: string;
  readonly agreed: string;
}

export class SqliteSubscriptions implements SubscriptionStore {
  readonly #commit: GroupCommit;
  readonly #page: StatementSyncInstance;
  readonly #upsert: StatementSyncInstance;
  readonly #remove: StatementSyncInstance;

  constructor(db: DatabaseSyncInstance, commit: GroupCommit) {
    this.#commit = commit;
    this.#page = db.prepare(
      'SELECT rowid, id, cursor, progress, agreed FROM subscriptions WHERE rowid > ? ORDER BY rowid LIMIT ?',
    );
    this.#upsert = db.prepare(
      `INSERT INTO subscriptions (id, cursor, progress, agreed) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor, progress = excluded.progress, agreed = excluded.agreed`,
    );
    this.#remove = db.prepare('DELETE FROM subscriptions WHERE id = ?');
  }

  *load(): Generator<StoredSubscription> {
    let last = 0;
    let rows: Row[];
    do {
      rows = this.#page.all(last, PAGE_LIMIT) as Row[];
      for (const row of rows) {
        last = row.rowid;
        yield subscriptionOf(row);
      }
    } while (rows.length === PAGE_LIMIT);
  }

  save(subscription: StoredSubscription): Promise<void> {
    // As it is now: the caller may go on with its own.
    const { id, cursor, settled, suspended, failing, gapOwed, ...agreed } = subscription;
    const progressJson = JSON.stringify({ settled, suspended, failing, gapOwed } satisfies Progress);
    const agreedJson = JSON.stringify(agreed);
    return this.#commit.writeInBackground(
      () => void this.#upsert.run(id, cursor, progressJson, agreedJson),
      progressJson.length + agreedJson.length,
    );
  }

  delete(id: string): Promise<void> {
    return this.#commit.writeInBackground(() => void this.#remove.run(id));
  }
}

function subscriptionOf({ id, cursor, progress, agreed }: Row): StoredSubscription {
  return { id, ...JSON.parse(agreed), cursor, ...JSON.parse(progress) } as StoredSubscription;
}
