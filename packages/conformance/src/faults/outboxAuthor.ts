import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { EventHandle, Events, Outbox } from '@mcp-events/server';
import { readOwnFacts } from './factReader.ts';
import { isPassing, textOf } from './passingFailures.ts';
import { pause } from './processShell.ts';
import type { ProcessShell } from './processShell.ts';
import type { ServerConfig } from './serverConfig.ts';
import { dataOf, expectationOf } from '../simulation/authoredEvent.ts';
import type { Random } from '../simulation/random.ts';
import { PLAIN } from './eventTypes.ts';
import { SEVERITIES } from './severity.ts';

/** The first event of the type, emitted before the outbox is used: its cursor names the log. */
const FIRST_ID = 'first';

interface Change {
  readonly number: number;
  readonly eventId: string;
}

/**
 * Changes rows of its own database and tells of them by the outbox. The n-th change that was committed has to be the n-th
 * event after the first one of the log, whatever dies in between: that is where a reader has to find it.
 */
export class OutboxAuthor {
  readonly #shell: ProcessShell<ServerConfig>;
  readonly #db: DatabaseSyncInstance;
  readonly #outbox: Outbox;
  readonly #handle: EventHandle;
  readonly #random: Random;
  #epoch = '';
  #running: Promise<void> = Promise.resolve();

  private constructor(
    shell: ProcessShell<ServerConfig>,
    db: DatabaseSyncInstance,
    outbox: Outbox,
    handle: EventHandle,
  ) {
    this.#shell = shell;
    this.#db = db;
    this.#outbox = outbox;
    this.#handle = handle;
    this.#random = shell.random(handle.name);
  }

  static open(shell: ProcessShell<ServerConfig>, events: Events, handle: EventHandle, path: string): OutboxAuthor {
    const db = new DatabaseSync(path, { timeout: 1_000 });
    try {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      db.exec('CREATE TABLE IF NOT EXISTS changes (number INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL)');
      return new OutboxAuthor(shell, db, events.outbox(db), handle);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  begin(): void {
    this.#running = this.#run();
  }

  stopped(): Promise<void> {
    return this.#running;
  }

  async #run(): Promise<void> {
    const { stopping, config } = this.#shell;
    const emitFirst = () => this.#handle.emit({ severity: 'high', text: FIRST_ID }, { eventId: this.#firstId });
    const { cursor } = await this.#shell.insist(emitFirst, (error) => !stopping.signal.aborted && isPassing(error));
    this.#epoch = cursor?.split('.')[0] ?? '';
    this.#tellCommitted();
    while (!stopping.signal.aborted) {
      await pause(this.#random.next() * 4 * config.settings.emitEveryMs);
      if (!stopping.signal.aborted && this.#shell.circumstances.emitting) this.#change();
    }
  }

  get #firstId(): string {
    return `${this.#handle.name}-${FIRST_ID}`;
  }

  /** Changes that were committed by a process which died before it wrote that down. */
  #tellCommitted(): void {
    const { folder, name } = this.#shell.config;
    const told = new Set(readOwnFacts(folder, name).flatMap((fact) => (fact.fact === 'emitted' ? [fact.eventId] : [])));
    const changes = this.#db.prepare('SELECT number, event_id AS eventId FROM changes ORDER BY number').all();
    for (const change of changes as unknown as Change[]) if (!told.has(change.eventId)) this.#tell(change);
  }

  #change(): void {
    const { facts } = this.#shell;
    const eventId = `${this.#handle.name}-${process.hrtime.bigint().toString(36)}`;
    const severity = this.#random.pick(SEVERITIES);
    const event = { eventId, severity };
    facts.record({ fact: 'emitting', type: this.#handle.name, eventId, ...expectationOf(event, PLAIN) });
    let number: number;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      const { lastInsertRowid } = this.#db.prepare('INSERT INTO changes (event_id) VALUES (?)').run(eventId);
      number = Number(lastInsertRowid);
      this.#outbox.add(this.#handle.name, dataOf(event), { eventId });
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      facts.record({ fact: 'emitFailed', eventId });
      if (!isPassing(error)) facts.complain(`${eventId} was refused: ${textOf(error)}`);
      return;
    }
    this.#tell({ number, eventId });
  }

  #tell({ number, eventId }: Change): void {
    this.#shell.facts.record({ fact: 'emitted', eventId, cursor: `${this.#epoch}.${number + 1}` });
  }
}
