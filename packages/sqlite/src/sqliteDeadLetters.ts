import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import { deadLetterBounds } from '@mcp-events/server';
import type { DeadLetterFilter, DeadLetterPage, DeadLetterStore, StoredDeadLetter } from '@mcp-events/server';
import type { GroupCommit } from './groupCommit.ts';
import { Statements } from './statements.ts';
import { fromDriver } from './storageError.ts';

interface Row {
  readonly number: number;
  readonly letter: string;
  readonly data: string;
}

type NumberedLetter = StoredDeadLetter & { readonly number: number };

/** SQLite's word for no limit. */
const ALL = -1;

const columns: Readonly<Record<keyof DeadLetterFilter, string>> = {
  number: 'number',
  subscriptionId: 'subscription_id',
  principal: 'principal',
  name: 'name',
  eventId: 'event_id',
};

/** Of all letters: kept by triggers, so that no letter costs a count. */
interface Totals {
  readonly count: number;
  readonly size: number;
}

export class SqliteDeadLetters implements DeadLetterStore {
  readonly #statements: Statements;
  readonly #commit: GroupCommit;
  readonly #file: string;
  readonly #insert: StatementSyncInstance;
  readonly #countOf: StatementSyncInstance;
  readonly #removeOldestOf: StatementSyncInstance;
  readonly #totals: StatementSyncInstance;
  readonly #removeOldest: StatementSyncInstance;
  readonly #forgetTotals: StatementSyncInstance;
  readonly #count: StatementSyncInstance;
  readonly #remove: StatementSyncInstance;

  constructor(db: DatabaseSyncInstance, commit: GroupCommit, file: string) {
    this.#statements = new Statements(db);
    this.#commit = commit;
    this.#file = file;
    this.#insert = db.prepare(
      `INSERT INTO dead_letters (subscription_id, principal, name, event_id, size, letter, data)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#countOf = db.prepare('SELECT count(*) AS count FROM dead_letters WHERE subscription_id = ?');
    this.#removeOldestOf = db.prepare(
      'DELETE FROM dead_letters WHERE number = (SELECT min(number) FROM dead_letters WHERE subscription_id = ?)',
    );
    this.#totals = db.prepare('SELECT count, size FROM dead_letter_totals');
    this.#removeOldest = db.prepare('DELETE FROM dead_letters WHERE number = (SELECT min(number) FROM dead_letters)');
    this.#forgetTotals = db.prepare('DELETE FROM dead_letter_totals');
    this.#count = db.prepare(
      'INSERT INTO dead_letter_totals SELECT count(*), coalesce(sum(size), 0) FROM dead_letters',
    );
    this.#remove = db.prepare('DELETE FROM dead_letters WHERE number = ?');
  }

  add(letter: StoredDeadLetter): Promise<void> {
    const { dataJson, ...rest } = letter;
    const letterJson = JSON.stringify(rest);
    const size = dataJson.length + (rest._meta === undefined ? 0 : JSON.stringify(rest._meta).length);
    return this.#commit.write(() => this.#add(letter, letterJson, size), size);
  }

  async find(filter: DeadLetterFilter, { after = 0, limit = ALL }: DeadLetterPage = {}): Promise<NumberedLetter[]> {
    const wanted = (Object.keys(columns) as (keyof DeadLetterFilter)[]).filter(
      (member) => filter[member] !== undefined,
    );
    const conditions = ['number > ?', ...wanted.map((member) => `${columns[member]} = ?`)].join(' AND ');
    const select = this.#statements.get(
      `SELECT number, letter, data FROM dead_letters WHERE ${conditions} ORDER BY number LIMIT ?`,
    );
    try {
      return (select.all(after, ...wanted.map((member) => filter[member]), limit) as Row[]).map(letterOf);
    } catch (error) {
      throw fromDriver(error, this.#file);
    }
  }

  delete(number: number): Promise<void> {
    return this.#commit.write(() => void this.#remove.run(number));
  }

  #add(
    { subscriptionId, principal, name, eventId, dataJson }: StoredDeadLetter,
    letterJson: string,
    size: number,
  ): void {
    this.#insert.run(subscriptionId, principal, name, eventId, size, letterJson, dataJson);
    const { maxBytes, maxCount, maxCountPerSubscription } = deadLetterBounds;
    const { count } = this.#countOf.get(subscriptionId) as { count: number };
    if (count > maxCountPerSubscription) this.#removeOldestOf.run(subscriptionId);
    let totals = this.#totals.get() as Totals | undefined;
    // Each letter that was too much was removed with the one after it: totals that say otherwise are wrong.
    const isWrong = totals === undefined || totals.count > maxCount + 1 || totals.size - size > maxBytes;
    if (isWrong) totals = this.#countAnew();
    while (totals !== undefined && (totals.count > maxCount || totals.size > maxBytes)) {
      if (this.#removeOldest.run().changes === 0) return;
      totals = this.#totals.get() as Totals;
    }
  }

  #countAnew(): Totals {
    this.#forgetTotals.run();
    this.#count.run();
    return this.#totals.get() as Totals;
  }
}

/** A damaged row is one letter that cannot be read, which its reader reports: the others are fine. */
function letterOf({ number, letter, data }: Row): NumberedLetter {
  try {
    return { ...(JSON.parse(letter) as Omit<StoredDeadLetter, 'dataJson'>), dataJson: data, number };
  } catch {
    return { number } as NumberedLetter;
  }
}
