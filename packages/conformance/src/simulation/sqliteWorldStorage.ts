import type { AuthoredEvent } from './authoredEvent.ts';
import type { CalmPeriods } from './calmPeriods.ts';
import type { DiskBehaviour } from './diskStorage.ts';
import { filteredSource } from './eventSources.ts';
import type { EventSource } from './eventSources.ts';
import { OUTBOXED, OutboxAuthor } from './outboxAuthor.ts';
import type { OpenOutbox } from './outboxAuthor.ts';
import type { Random } from './random.ts';
import type { EngineContext, OpenEngine } from './serverEngine.ts';
import type { ServerLives } from './serverLives.ts';
import type { ServerProcess } from './serverProcess.ts';
import type { Settings } from './settings.ts';
import { SqliteEngine } from './sqliteEngine.ts';
import type { SqliteLife } from './sqliteEngine.ts';
import { SqliteFaults } from './sqliteFaults.ts';
import type { WorldRecord } from './worldRecord.ts';
import type { WorldStorage } from './worldStorage.ts';

export interface SqliteWorldOptions {
  readonly seed: number;
  /** Decides on what happens to the storage, and to the outbox. */
  readonly random: Random;
  readonly world: WorldRecord;
  readonly behaviour: DiskBehaviour;
  readonly lives: () => ServerLives;
  readonly calm: () => CalmPeriods;
}

/** More than a schedule emits: where the log of a file ends nobody looks. */
const FURTHEST = 1_000;

/** An event type that is withdrawn while events of it wait in the outbox. */
const WITHDRAWN = 'withdrawn';

/** How far a clock is set that is set back again: much longer than a row waits for its type. */
const AHEAD_MS = 3_600_000;

/** The real storage in SQLite on files of its own, with an outbox in a database of the author's. */
export class SqliteWorldStorage implements WorldStorage {
  readonly survives = true;
  readonly #options: SqliteWorldOptions;
  readonly #faults: SqliteFaults;
  readonly #engine: SqliteEngine;
  readonly #author: OutboxAuthor;
  #life: SqliteLife | undefined;
  #outbox: OpenOutbox | undefined;
  #isReplaced = false;

  constructor(options: SqliteWorldOptions) {
    this.#options = options;
    const { seed, random, world, behaviour } = options;
    this.#faults = new SqliteFaults({ random, world, behaviour, kill: () => this.#die() });
    this.#engine = new SqliteEngine(seed, (file, write) =>
      this.#isReplaced ? write() : this.#faults.around(file, write),
    );
    this.#author = new OutboxAuthor(world, random, (type) => this.#engine.epochOf(type), random);
  }

  /** Some follow the type whose events come from the outbox. */
  adapt({ subscribers, ...settings }: Settings): Settings {
    const { random } = this.#options;
    return {
      ...settings,
      subscribers: subscribers.map((subscriber) =>
        random.chance(0.4) ? { ...subscriber, type: OUTBOXED } : subscriber,
      ),
    };
  }

  /** Event types that there are beside the others. */
  sources(maxCount: number): EventSource[] {
    return [{ ...filteredSource({ maxCount, maxAgeMs: 1e12 }), name: OUTBOXED }];
  }

  /** Whether the storage stores what it is given. */
  get isRight(): boolean {
    return !this.#isReplaced;
  }

  async open(context: EngineContext): Promise<OpenEngine> {
    this.#isReplaced = false;
    const life = await this.#engine.start(context);
    this.#life = life;
    return {
      storage: life.storage,
      kill: () => {
        if (this.#life !== life) return;
        this.#life = undefined;
        this.#outbox = undefined;
        this.#author.killed();
        life.kill();
      },
    };
  }

  started({ events }: ServerProcess): void {
    if (this.#life === undefined) return;
    const { authorDatabase: db } = this.#life;
    this.#outbox = { db, outbox: events.outbox(db) };
  }

  endOf(type: string): string | undefined {
    const epoch = this.#engine.epochOf(type);
    return epoch && `${epoch}.${FURTHEST}`;
  }

  /** Returns whether the event is one of the outbox; while no server runs there is none. */
  emit({ name }: EventSource, event: AuthoredEvent): boolean {
    if (name !== OUTBOXED) return false;
    if (this.#outbox !== undefined) this.#author.emit(this.#outbox, event);
    return true;
  }

  /** Between two steps of a schedule. Returns whether the server has to be started again. */
  async step(): Promise<boolean> {
    const { random, world, lives, calm } = this.#options;
    const server = lives().current;
    if (server === undefined) return true;
    if (this.#outbox !== undefined && random.chance(0.4)) this.#author.end(this.#outbox.db);
    if (this.#isReplaced && random.chance(0.3)) {
      lives().kill();
      return true;
    }
    if (!this.#isReplaced && random.chance(0.02)) {
      this.#isReplaced = true;
      calm().disturb('files of the storage replaced');
      world.faults.add('sqlite: files replaced');
      this.#engine.replaceFiles();
    }
    if (random.chance(0.1)) await this.#withdraw(server);
    return false;
  }

  /** From here on nothing happens to it any more. Returns whether the server has to be started again. */
  recover(): boolean {
    this.#faults.isDeadly = false;
    if (this.#outbox !== undefined) this.#author.end(this.#outbox.db);
    if (!this.#isReplaced) return this.#options.lives().current === undefined;
    this.#options.lives().kill();
    return true;
  }

  /** Whether an error that the server reports comes of it. */
  expects(error: unknown): boolean {
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (this.#faults.expects(error)) return true;
    // SQLite finds out by itself that its write-ahead log is another one, if it looks before the storage does.
    return (
      (this.#isReplaced && (code === 'replaced' || code === 'unavailable')) ||
      message === `there is no event type "${WITHDRAWN}"`
    );
  }

  async dispose(): Promise<void> {
    this.#faults.close();
    await this.#engine.dispose();
  }

  /** A type is withdrawn of which an event waits, and while that is waited for the clock is set back. */
  async #withdraw({ events }: ServerProcess): Promise<void> {
    const { world, lives, calm, behaviour } = this.#options;
    if (this.#outbox === undefined || this.#isReplaced || behaviour.writeFailure > 0) return;
    this.#author.end(this.#outbox.db);
    world.faults.add('outbox: type withdrawn');
    calm().disturb('type withdrawn');
    lives().setClock(AHEAD_MS);
    const handle = events.define(WITHDRAWN, { payload: { type: 'object' } });
    this.#outbox.outbox.add(WITHDRAWN, {});
    handle.remove();
    await world.time.advance(1);
    lives().setClock(0);
  }

  #die(): boolean {
    const { lives } = this.#options;
    if (this.#life === undefined || lives().current?.alive !== true || !lives().isServing) return false;
    lives().kill();
    return true;
  }
}
