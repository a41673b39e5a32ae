import type { SubscriptionRecord } from '../store/cursorStore.ts';
import { fromColumn, toColumn } from './sqliteIds.ts';
import { parseStored } from './parseStored.ts';
import type { SqliteStatements } from './sqliteStatements.ts';

/** The ids of a record: of a batch that is handled half, and those posted out of order. */
type Ids = Record<'seen' | 'posted', readonly string[]>;

/** SQLite's word for no limit. */
const ALL = -1;

/**
 * Records as rows. The ids a record holds change by one with each event, and may be thousands: each has a row of its own,
 * so that an event costs a row and not all of them.
 */
export class SqliteRecords {
  readonly #sql: SqliteStatements;
  readonly #namespace: string;
  /** What the rows hold, where that is certain: by whom it was written in a transaction that was committed. */
  readonly #stored = new Map<string, Ids>();

  constructor(sql: SqliteStatements, namespace: string) {
    this.#sql = sql;
    this.#namespace = namespace;
  }

  /** A record as its row holds it, with the ids that belong to it. */
  read(key: string, json: string): SubscriptionRecord {
    const record = parseStored<SubscriptionRecord>(json, `The record of the subscription ${key}`);
    const ids: Record<keyof Ids, string[]> = { seen: [], posted: [] };
    for (const row of this.#sql.seen.all(this.#namespace, key)) {
      const { list, event_id } = row as { list: keyof Ids; event_id: string };
      ids[list].push(fromColumn(event_id));
    }
    const { webhook } = record;
    return { ...record, seen: ids.seen, ...(webhook && { webhook: { ...webhook, seen: ids.posted } }) };
  }

  /** What the row of a record holds. */
  json(record: SubscriptionRecord): string {
    const { webhook } = record;
    return JSON.stringify({ ...record, seen: [], ...(webhook && { webhook: { ...webhook, seen: [] } }) });
  }

  /** Writes the rows of its ids. To be followed by {@link committed}, or {@link forget} if that is not certain. */
  writeIds(key: string, record: SubscriptionRecord): void {
    const before = this.#stored.get(key);
    const after = idsOf(record);
    this.#writeList(key, 'seen', before?.seen, after.seen);
    this.#writeList(key, 'posted', before?.posted, after.posted);
  }

  committed(key: string, record: SubscriptionRecord): void {
    this.#stored.set(key, idsOf(record));
  }

  forget(key: string): void {
    this.#stored.delete(key);
  }

  /** Both lists grow at their end and shrink at their beginning. */
  #writeList(key: string, list: keyof Ids, before: readonly string[] | undefined, after: readonly string[]): void {
    if (before === after || (before?.length === 0 && after.length === 0)) return;
    const dropped = before === undefined ? -1 : droppedFrom(before, after);
    const kept = before === undefined || dropped === -1 ? 0 : before.length - dropped;
    if (kept === 0) this.#sql.dropSeen.run(this.#namespace, key, list, ALL);
    else if (dropped > 0) this.#sql.dropSeen.run(this.#namespace, key, list, dropped);
    for (const id of after.slice(kept)) this.#sql.addSeen.run(this.#namespace, key, list, toColumn(id));
  }
}

/**
 * How many ids were dropped at the beginning of a list that goes on in another one; -1 if it does not. An id may stand in a
 * list more than once, so all that is kept is compared.
 */
function droppedFrom(before: readonly string[], after: readonly string[]): number {
  const [first] = after;
  if (first === undefined) return -1;
  const fewest = Math.max(0, before.length - after.length);
  for (let at = before.indexOf(first, fewest); at !== -1; at = before.indexOf(first, at + 1)) {
    if (before.every((id, index) => index < at || id === after[index - at])) return at;
  }
  return -1;
}

function idsOf({ seen, webhook }: SubscriptionRecord): Ids {
  return { seen, posted: webhook?.seen ?? [] };
}
