import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { Inbox, InboxCommit } from '@mcp-events/client';
import { readOwnFacts } from './factReader.ts';
import type { ProcessConfig, ProcessShell } from './processShell.ts';

interface Effect {
  readonly eventId: string;
  readonly hash: string;
}

/**
 * What the handler of a subscription did: a row for each event, written in the transaction of the inbox. An event counts
 * as handed to the application when its row is committed, since a transaction that was undone never happened.
 */
export class Effects {
  readonly #shell: ProcessShell<ProcessConfig>;
  readonly #db: DatabaseSyncInstance;
  readonly #subscription: string;
  /** By the latest transaction. */
  #written: Effect | undefined;

  constructor(shell: ProcessShell<ProcessConfig>, db: DatabaseSyncInstance, subscription: string) {
    this.#shell = shell;
    this.#db = db;
    this.#subscription = subscription;
  }

  static createTable(db: DatabaseSyncInstance): void {
    db.exec(
      'CREATE TABLE IF NOT EXISTS effects (number INTEGER PRIMARY KEY, subscription TEXT NOT NULL, event_id TEXT NOT NULL, hash TEXT NOT NULL)',
    );
  }

  /** Tells of rows that an earlier life committed and had no time to tell of. */
  recover(): void {
    const { folder, name } = this.#shell.config;
    const told = readOwnFacts(folder, name).flatMap((fact) =>
      fact.fact === 'committed' && fact.subscription === this.#subscription ? [fact.eventId] : [],
    );
    const rows = this.#db
      .prepare('SELECT event_id AS eventId, hash FROM effects WHERE subscription = ? ORDER BY number')
      .all(this.#subscription) as unknown as Effect[];
    const isPrefix = told.every((eventId, index) => rows[index]?.eventId === eventId);
    if (!isPrefix) this.#shell.facts.complain(`effects of ${this.#subscription} are not those that were committed`);
    for (const effect of rows.slice(told.length)) this.#tell(effect);
  }

  /** Within the transaction. */
  write(eventId: string, hash: string): void {
    this.#written = { eventId, hash };
    this.#db
      .prepare('INSERT INTO effects (subscription, event_id, hash) VALUES (?, ?, ?)')
      .run(this.#subscription, eventId, hash);
  }

  /** After the transaction. */
  committed({ eventId, record }: InboxCommit): void {
    if (eventId !== undefined) {
      if (this.#written?.eventId === eventId) this.#tell(this.#written);
      else this.#shell.facts.complain(`${eventId} was committed, and its handler did nothing`);
    }
    const cursor = record?.cursor;
    if (typeof cursor !== 'string') return;
    this.#shell.facts.record({ fact: 'received', subscription: this.#subscription, cursor });
  }

  #tell({ eventId, hash }: Effect): void {
    const { facts } = this.#shell;
    facts.record({ fact: 'handed', subscription: this.#subscription, eventId, hash });
    facts.record({ fact: 'committed', subscription: this.#subscription, eventId });
  }
}

/** An inbox that tells what was committed to those that record it, by the key of the subscription. */
export function recordedInbox<Db, I extends Inbox<Db>>(inbox: I & Inbox<Db>, effects: ReadonlyMap<string, Effects>): I {
  const commit = async (change: InboxCommit, apply?: (db: Db) => void): Promise<number | undefined> => {
    const attempts = await inbox.commit(change, apply);
    effects.get(change.key)?.committed(change);
    return attempts;
  };
  return new Proxy(inbox, {
    get: (target, member) => {
      if (member === 'commit') return commit;
      // Each client works with a session of its own.
      if (member === 'session') return () => recordedInbox(inbox.session?.() as I & Inbox<Db>, effects);
      const value: unknown = Reflect.get(target, member, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
