import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@mcp-events/server';
import { openSqliteStorage } from '@mcp-events/sqlite';
import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { EngineContext, OpenEngine } from './serverEngine.ts';
import { SQLITE_PARTS, SQLITE_ROOM } from './sqliteFiles.ts';
import { watchedStorage } from './watchedStorage.ts';

/** A life of the server: the storage, and the author's own database, as that process has them open. */
export interface SqliteLife extends OpenEngine {
  readonly authorDatabase: DatabaseSyncInstance;
}

/** Called with each write of the storage in a file. */
export type AroundWrite = (file: string, write: () => void) => void;

/** A look of the storage at its files holds for as long. */
const LOOK_MS = 10;

/**
 * The real storage in SQLite, and an author's database with an outbox. A kill leaves what the files hold at that moment:
 * they are copied, and the next life has the copies, while nothing that the dead process may still do reaches them.
 * Nothing here shows what would be lost with the power: that is for the tests of the package, which look at its flushes.
 */
export class SqliteEngine {
  readonly #folder = mkdtempSync(join(SQLITE_ROOM, 'mcp-events-simulation-'));
  readonly #open: (() => Promise<void>)[] = [];
  #lives = 0;
  #epochs = 0;
  readonly #epochNames = new Map<string, string>();
  readonly #seed: number;
  readonly #around: AroundWrite;
  /** So much later it is for the storage than by its clock. */
  #laterMs = 0;

  /** @param around default: writes */
  constructor(seed: number, around: AroundWrite = (_file, write) => write()) {
    this.#seed = seed;
    this.#around = around;
    mkdirSync(this.#lifeFolder);
  }

  async start(context: EngineContext): Promise<SqliteLife> {
    const storage = await openSqliteStorage({
      file: this.#file('events.db'),
      // It outlives its process, so that it can be closed: what it still stores is nobody's.
      clock: this.#later(context.storageClock, this.#file('events.db')),
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
        onTooFew: context.onTooFew,
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

  /** What was written of it goes where nobody finds it again: its files are replaced by copies of themselves. */
  replaceFiles(): void {
    const folder = join(this.#lifeFolder, 'replaced');
    this.#copy('events.db', folder);
    for (const part of SQLITE_PARTS) {
      const copy = join(folder, `events.db${part}`);
      if (existsSync(copy)) renameSync(copy, this.#file(`events.db${part}`));
    }
    this.#laterMs += LOOK_MS;
  }

  /** It writes in turns of their own. */
  #later(clock: Clock, file: string): Clock {
    return {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs() + this.#laterMs,
      setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs),
      clearTimeout: (timer) => clock.clearTimeout(timer),
      setImmediate: (callback) => clock.setImmediate(() => this.#around(file, callback)),
    };
  }

  #kill(): void {
    const before = this.#lifeFolder;
    this.#lives++;
    for (const name of ['events.db', 'author.db']) this.#copy(name, this.#lifeFolder, before);
  }

  #copy(name: string, folder: string, from = this.#lifeFolder): void {
    mkdirSync(folder, { recursive: true });
    for (const part of SQLITE_PARTS) {
      const file = join(from, `${name}${part}`);
      if (existsSync(file)) copyFileSync(file, join(folder, `${name}${part}`));
    }
  }
}
