import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import type { Note, Notes } from '@mcp-events/server';
import type { GroupCommit, Provisional } from './groupCommit.ts';

/** A value, or `undefined` for none. */
interface Change {
  readonly key: string;
  readonly value: string | undefined;
}

/** All notes are in memory as well. What is being written is seen at once, and taken back if it fails. */
export class SqliteNotes implements Notes, Provisional {
  readonly #commit: GroupCommit;
  readonly #upsert: StatementSyncInstance;
  readonly #remove: StatementSyncInstance;
  readonly #stored = new Map<string, string>();
  /** The last change of each key that was asked for and is not stored yet. */
  readonly #asked = new Map<string, Change>();
  /** Changes of the transaction under way. */
  #changes: Change[] = [];

  constructor(db: DatabaseSyncInstance, commit: GroupCommit) {
    this.#commit = commit;
    this.#upsert = db.prepare(
      'INSERT INTO notes (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    );
    this.#remove = db.prepare('DELETE FROM notes WHERE key = ?');
    for (const { key, value } of db.prepare('SELECT key, value FROM notes').all() as Note[]) {
      this.#stored.set(key, value);
    }
  }

  get(key: string): string | undefined {
    const asked = this.#asked.get(key);
    return asked === undefined ? this.#stored.get(key) : asked.value;
  }

  set({ key, value }: Note): Promise<void> {
    return this.#ask({ key, value });
  }

  delete(key: string): Promise<void> {
    return this.#ask({ key, value: undefined });
  }

  /** Within a transaction. */
  store({ key, value }: Change): void {
    if (value === undefined) this.#remove.run(key);
    else this.#upsert.run(key, value);
    this.#changes.push({ key, value });
    this.#commit.enlist(this);
  }

  committed(): void {
    for (const { key, value } of this.#changes) {
      if (value === undefined) this.#stored.delete(key);
      else this.#stored.set(key, value);
    }
    this.#changes = [];
  }

  rolledBack(): void {
    this.#changes = [];
  }

  async #ask(change: Change): Promise<void> {
    this.#asked.set(change.key, change);
    try {
      await this.#commit.write(() => this.store(change));
    } finally {
      if (this.#asked.get(change.key) === change) this.#asked.delete(change.key);
    }
  }
}
