import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { eventsTableName } from './schema.ts';
import { storageError } from './storageError.ts';

/** Tables that are checked as a whole. */
const SMALL_TABLES = ['logs', 'notes', 'subscriptions', 'subscription_progress', 'dead_letters'] as const;

/** Events looked at on either end of each log; checking all of a large log would hold up the start for seconds. */
const EVENTS_CHECKED = 100;

/** Looks for damage where that is quick. Throws a `corrupt` error at the first. */
export function checkIntegrity(db: DatabaseSyncInstance, file: string): void {
  for (const table of SMALL_TABLES) {
    const { quick_check: verdict } = db.prepare(`PRAGMA quick_check(${table})`).get() as { quick_check: string };
    if (verdict !== 'ok') throw storageError('corrupt', file, verdict);
  }
  const logs = db.prepare('SELECT id, name FROM logs').all() as { id: number; name: string }[];
  for (const { id, name } of logs) {
    for (const order of ['ASC', 'DESC'] as const) {
      const select = `SELECT position, timestamp, data FROM ${eventsTableName(id)} ORDER BY position ${order} LIMIT ?`;
      const rows = db.prepare(select).all(EVENTS_CHECKED) as { position: number; data: string }[];
      const isOrdered = rows.every(({ position }, i) => {
        const before = rows[i - 1]?.position;
        return before === undefined || (order === 'ASC' ? position > before : position < before);
      });
      if (!isOrdered) throw storageError('corrupt', file, `events of ${JSON.stringify(name)} are out of order`);
    }
  }
}
