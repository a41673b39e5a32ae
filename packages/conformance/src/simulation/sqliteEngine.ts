import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStorage } from '@mcp-events/sqlite';
import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { EngineContext, OpenEngine } from './serverEngine.ts';
import { watchedStorage } from './watchedStorage.ts';

/** Where files cost no flushes of a real disk, if there is such a place. */
const ROOM = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Files of SQLite, beside which it keeps what is not in them yet. */
const PARTS = ['', '-wal'] as const;

/** A life of the server: the storage, and the author's own database, as that process has them open. */
export interface SqliteLife extends OpenEngine {
  readonly authorDatabase: DatabaseSyncInstance;
}

/**
 * The real storage in SQLite, and an author's database with an outbox. A kill leaves what the files hold at that moment:
 * they are copied, and the next life has the copies, while nothing that the dead process may still do reaches them.
 * Nothing here shows what would be lost with the power: that is for the tests of the package, which look at its flushes.
 */
export class SqliteEngine {
  readonly #folder = mkdtempSync(join(ROOM, 'mcp-events-simulation-'));
  readonly #open: (() => Promise<void>)[] = [];
  #lives = 0;
  #epochs = 0;
  readonly #epochNames = new Map<string, string>();
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    mkdirSync(this.#lifeFolder);
  }

  async start(context: EngineContext): Promise<SqliteLife> {
    const storage = await openSqliteStorage({
      file: this.#file('events.db'),
      // It outlives its process, so that it can be closed: what it still stores is nobody's.
      clock: context.storageClock,
      createEpoch: () => `epoch${this.#seed}x${++this.#epochs}`,
    });
    const authorDatabase = new DatabaseSync(this.#file('author.db'));
    authorDatabase.exec('PRAGMA journal_mode = WAL');
    this.#open.push(async () => {
      authorDatabase.close();
      await storage.close();
    });
    return {
      storage: watchedStorage(storage, {
        onRemoved: context.onRemoved,
        onOpen: (name, epoch) => this.#epochNames.set(name, epoch),
      }),
      authorDatabase,
      kill: () => this.#kill(),
    };
  }

  /** Of the log of an event type, once it is open. */
  epochOf(name: string): string | undefined {
    return this.#epochNames.get(name);
  }

  /** At the end of a run. */
  async dispose(): Promise<void> {
    await Promise.all(this.#open.map((close) => close()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #lifeFolder(): string {
    return join(this.#folder, String(this.#lives));
  }

  #file(name: string): string {
    return join(this.#lifeFolder, name);
  }

  #kill(): void {
    const before = ['events.db', 'author.db'].map((name) => this.#file(name));
    this.#lives++;
    mkdirSync(this.#lifeFolder);
    for (const [index, name] of ['events.db', 'author.db'].entries()) {
      for (const part of PARTS) {
        const file = `${before[index]}${part}`;
        if (existsSync(file)) copyFileSync(file, `${this.#file(name)}${part}`);
      }
    }
  }
}
