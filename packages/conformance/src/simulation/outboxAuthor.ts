import type { Outbox } from '@mcp-events/server';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { dataOf, expectationOf } from './authoredEvent.ts';
import type { AuthoredEvent, Treatment } from './authoredEvent.ts';
import type { Random } from './random.ts';
import type { WorldRecord } from './worldRecord.ts';

/** Name of the event type whose events come from an outbox. */
export const OUTBOXED = 'outboxed';

/** Everybody gets its events as they are. */
const PLAIN: Treatment = { isGuarded: false, isRedacted: false };

/** The author's database and the outbox in it, as one life of the server has them open. */
export interface OpenOutbox {
  readonly db: DatabaseSyncInstance;
  readonly outbox: Outbox;
}

/** An author who emits in transactions of a database, which are rolled back now and then. */
export class OutboxAuthor {
  readonly #world: WorldRecord;
  readonly #random: Random;
  readonly #epochOf: (type: string) => string | undefined;
  /** Events that were committed: each gets the next position of its log. */
  #committed = 0;
  /** Events of a transaction that goes on. */
  #open: string[] = [];

  readonly #pauses: Random | undefined;

  /** @param pauses decides when a transaction goes on after an event. Default: never */
  constructor(world: WorldRecord, random: Random, epochOf: (type: string) => string | undefined, pauses?: Random) {
    this.#pauses = pauses;
    this.#world = world;
    this.#random = random;
    this.#epochOf = epochOf;
  }

  emit({ db, outbox }: OpenOutbox, event: AuthoredEvent): void {
    const { eventId } = event;
    this.#world.record({ fact: 'emitting', type: OUTBOXED, eventId, ...expectationOf(event, PLAIN) });
    if (this.#open.length === 0) db.exec('BEGIN');
    outbox.add(OUTBOXED, dataOf(event), { eventId });
    this.#open.push(eventId);
    if (this.#goesOn()) return;
    this.end(db);
  }

  /** Ends a transaction that goes on, if there is one. */
  end(db: DatabaseSyncInstance): void {
    if (this.#open.length === 0) return;
    const isTakenBack = this.#random.chance(0.1);
    db.exec(isTakenBack ? 'ROLLBACK' : 'COMMIT');
    if (isTakenBack) this.#forgone();
    for (const eventId of this.#open.splice(0)) {
      const cursor = `${this.#epochOf(OUTBOXED) ?? ''}.${++this.#committed}`;
      this.#world.record({ fact: 'emitted', eventId, cursor });
    }
  }

  /** The process is gone, and with it a transaction that went on. */
  killed(): void {
    this.#forgone();
  }

  #forgone(): void {
    for (const eventId of this.#open.splice(0)) this.#world.record({ fact: 'emitFailed', eventId });
  }

  #goesOn(): boolean {
    if (this.#pauses?.chance(0.3) !== true) return false;
    this.#world.faults.add('outbox: transaction left open');
    return true;
  }
}
