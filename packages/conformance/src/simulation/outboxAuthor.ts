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

  constructor(world: WorldRecord, random: Random, epochOf: (type: string) => string | undefined) {
    this.#world = world;
    this.#random = random;
    this.#epochOf = epochOf;
  }

  emit({ db, outbox }: OpenOutbox, event: AuthoredEvent): void {
    const { eventId } = event;
    this.#world.record({ fact: 'emitting', type: OUTBOXED, eventId, ...expectationOf(event, PLAIN) });
    db.exec('BEGIN');
    outbox.add(OUTBOXED, dataOf(event), { eventId });
    if (this.#random.chance(0.1)) {
      db.exec('ROLLBACK');
      this.#world.record({ fact: 'emitFailed', eventId });
      return;
    }
    db.exec('COMMIT');
    const cursor = `${this.#epochOf(OUTBOXED) ?? ''}.${++this.#committed}`;
    this.#world.record({ fact: 'emitted', eventId, cursor });
  }
}
