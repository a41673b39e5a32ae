import { checkMembers, count, having, numberOf, readTyped } from '@mcp-events/protocol/options';
import { asError, EventsClientError, isEventsClientError, shortened } from '../errors.ts';
import type { SubscriptionRecord } from '../store/cursorStore.ts';
import type { Inbox, InboxCommit, ParkedEvent } from './inbox.ts';
import { parseStored } from './parseStored.ts';
import { toJson } from '../receiver/toJson.ts';
import { isDatabaseFailure, type SqliteDatabase, type Whole } from './sqliteDatabase.ts';
import { toColumn } from './sqliteIds.ts';
import { SqliteRecords } from './sqliteRecords.ts';
import { createTables } from './sqliteSchema.ts';
import { sqliteStatements, type SqliteStatements } from './sqliteStatements.ts';

/** Options of {@link sqliteInbox}. */
export interface SqliteInboxOptions {
  /** Keeps inboxes in one database apart: one for each server and principal. Default: the empty string. */
  namespace?: string;
  /** Most parked events of a subscription. One more stops its processing, with `PARKED_FULL`. Default 1000. */
  maxParked?: number;
}

/** Which parked events to list. */
export interface ParkedQuery {
  /** Those with a greater id; to go on from the last one of a list. Default: from the first. */
  after?: number;
  /** How many at most. Default 100. */
  limit?: number;
}

/** What {@link sqliteInbox} returns: an inbox, and what an operator does with the events it parked. */
export interface SqliteInbox<Db> extends Inbox<Db> {
  /** Parked events, the ones parked first before the others. */
  parked(query?: ParkedQuery): Promise<ParkedEvent[]>;
  /**
   * Asks for one more attempt. The process that handles the subscription makes it when it comes by: at once if it is this
   * one, else with its next event. If that fails, or the process ends in it, the event stays parked.
   *
   * @returns whether there is such an event
   */
  retry(id: number): Promise<boolean>;
  /**
   * Forgets a parked event.
   *
   * @returns whether there was such an event
   */
  drop(id: number): Promise<boolean>;
}

/**
 * An inbox in the application's own SQLite database.
 *
 * @param db an open connection, which the handler gets too. If the application leaves transactions open on it while it
 *   waits for something, processing waits for them to end: a second connection for the inbox avoids that
 * @throws TypeError for what is no connection, and for an option that does not exist or cannot be used; Error if a later version of this package made the inbox; what the
 *   database throws
 */
export function sqliteInbox<Db extends SqliteDatabase>(db: Db, options: SqliteInboxOptions = {}): SqliteInbox<Db> {
  having(['exec', 'prepare'], 'an open SQLite connection, such as new DatabaseSync(path) makes')(db, 'the database');
  const checks = { namespace: namespaceText, maxParked: numberOf({ least: 0 }) };
  checkMembers<Required<SqliteInboxOptions>>(options, checks, 'the options of sqliteInbox');
  createTables(db);
  return new InboxTables(db, options);
}

function namespaceText(value: unknown, what: string): void {
  readTyped(value, 'string', what);
}

const DEFAULT_MAX_PARKED = 1_000;
const DEFAULT_LIST_LIMIT = 100;

/** Attempts at events that never came again, because the server does not repeat them: the latest ones are kept. */
const MAX_OPEN_ATTEMPTS = 1_000;

class InboxTables<Db extends SqliteDatabase> implements SqliteInbox<Db> {
  readonly #db: Db;
  readonly #options: SqliteInboxOptions;
  readonly #namespace: string;
  readonly #maxParked: number;
  readonly #sql: SqliteStatements;
  readonly #records: SqliteRecords;
  /** Tells one client of this process from others, and from those before it. */
  readonly #owner = crypto.randomUUID();
  /** Keys whose record this one has: if it is gone, somebody else cancelled the subscription. */
  readonly #held = new Set<string>();
  /** Shared by all sessions: whichever object is asked for a retry, the client that processes hears of it. */
  readonly #retryListeners: Set<() => void>;

  constructor(db: Db, options: SqliteInboxOptions, retryListeners = new Set<() => void>()) {
    this.#db = db;
    this.#options = options;
    this.#retryListeners = retryListeners;
    const { namespace = '', maxParked = DEFAULT_MAX_PARKED } = options;
    this.#namespace = namespace;
    this.#maxParked = maxParked;
    this.#sql = sqliteStatements(db);
    this.#records = new SqliteRecords(this.#sql, this.#namespace);
  }

  session(): Inbox<Db> {
    return new InboxTables(this.#db, this.#options, this.#retryListeners);
  }

  async load(key: string): Promise<SubscriptionRecord | undefined> {
    const record = this.#write(() => {
      this.#sql.forgetOldAttempts.run(this.#namespace, key, this.#namespace, key, MAX_OPEN_ATTEMPTS);
      // Whoever had it may have written since.
      this.#records.forget(key);
      const row = this.#sql.claim.get(this.#owner, this.#namespace, key);
      return row === undefined ? undefined : this.#records.read(key, (row as { record: string }).record);
    });
    this.#hold(key, record !== undefined);
    return record;
  }

  async save(key: string, record: SubscriptionRecord): Promise<void> {
    this.#write(() => {
      const json = this.#records.json(record);
      const row = this.#held.has(key)
        ? this.#sql.advance.get(json, this.#namespace, key, this.#owner)
        : this.#sql.save.get(this.#namespace, key, this.#owner, json);
      if (row === undefined) throw takenOver(record.name);
      this.#records.writeIds(key, record);
    });
    this.#hold(key, true);
    this.#records.committed(key, record);
  }

  async delete(key: string): Promise<void> {
    this.#records.forget(key);
    this.#write(() => {
      if (this.#sql.delete.get(this.#namespace, key, this.#owner) === undefined) {
        // Of what nobody has there is nothing to delete.
        if (this.#revision(key) !== undefined) throw takenOver(key);
        return;
      }
      this.#sql.forgetAllAttempts.run(this.#namespace, key);
      this.#sql.dropAllSeen.run(this.#namespace, key);
    });
    this.#hold(key, false);
  }

  async list(): Promise<SubscriptionRecord[]> {
    return this.#read(() =>
      this.#sql.list.all(this.#namespace).map((row) => {
        const { key, record } = row as { key: string; record: string };
        return this.#records.read(key, record);
      }),
    );
  }

  async countAttempt(key: string, eventId: string, change: 1 | -1): Promise<number> {
    return this.#write(() => {
      this.#advance(key, undefined);
      return this.#countAttempt(key, eventId, change);
    });
  }

  async commit(change: InboxCommit, apply?: (db: Db) => void): Promise<number | undefined> {
    const { key, record, eventId, begin, park, unpark } = change;
    let revision = 0;
    const step = (): number | undefined => {
      // Before the handler: what it writes must not count if this process was replaced.
      revision = this.#advance(key, record);
      if (eventId !== undefined) this.#sql.forgetAttempts.run(this.#namespace, key, toColumn(eventId));
      if (unpark !== undefined) this.#sql.drop.get(this.#namespace, unpark);
      if (park !== undefined) this.#park(key, park);
      if (apply !== undefined) {
        apply(this.#db);
        // Otherwise what it wrote since would be stored, and the position would not.
        if (this.#revision(key) !== revision) throw undoneByHandler();
      }
      return begin === undefined ? undefined : this.#countAttempt(key, begin, 1);
    };
    const attempts = this.#write(step, () => this.#revision(key) === revision);
    if (record !== undefined) this.#records.committed(key, record);
    // Between two events others get their turn, however many events wait.
    await new Promise((resolve) => setImmediate(resolve));
    return attempts;
  }

  async takeRetry(key: string): Promise<ParkedEvent | undefined> {
    // Asked before each event, and nearly always in vain.
    if (this.#read(() => this.#sql.findRetry.get(this.#namespace, key)) === undefined) return undefined;
    const row = this.#write(() => {
      // A process that was replaced would take it from the one that can still do something about it.
      this.#advance(key, undefined);
      return this.#sql.takeRetry.get(this.#namespace, key);
    });
    return row === undefined ? undefined : parkedOf(row);
  }

  onRetry(listener: () => void): () => void {
    const own = (): void => listener();
    this.#retryListeners.add(own);
    return () => this.#retryListeners.delete(own);
  }

  async parked(query: ParkedQuery = {}): Promise<ParkedEvent[]> {
    const checks = { after: numberOf({ least: 0, whole: true }), limit: count };
    checkMembers<Required<ParkedQuery>>(query, checks, 'the query of parked()');
    const { after = 0, limit = DEFAULT_LIST_LIMIT } = query;
    return this.#read(() => this.#sql.parked.all(this.#namespace, after, limit).map(parkedOf));
  }

  async retry(id: number): Promise<boolean> {
    const row = this.#write(() => this.#sql.askRetry.get(this.#namespace, id));
    for (const listener of this.#retryListeners) listener();
    return row !== undefined;
  }

  async drop(id: number): Promise<boolean> {
    return this.#write(() => this.#sql.drop.get(this.#namespace, id)) !== undefined;
  }

  #hold(key: string, isHeld: boolean): void {
    if (isHeld) this.#held.add(key);
    else this.#held.delete(key);
  }

  #countAttempt(key: string, eventId: string, change: number): number {
    const row = this.#sql.countAttempt.get(this.#namespace, key, toColumn(eventId), change);
    return Number((row as { attempts: Whole }).attempts);
  }

  #advance(key: string, record: SubscriptionRecord | undefined): number {
    const row =
      record === undefined
        ? this.#sql.touch.get(this.#namespace, key, this.#owner)
        : this.#sql.advance.get(this.#records.json(record), this.#namespace, key, this.#owner);
    if (row === undefined) throw takenOver(key);
    if (record !== undefined) this.#records.writeIds(key, record);
    return Number((row as { revision: Whole }).revision);
  }

  #revision(key: string): number | undefined {
    const row = this.#sql.revision.get(this.#namespace, key);
    return row === undefined ? undefined : Number((row as { revision: Whole }).revision);
  }

  #park(key: string, { event, reason, attempts, parkedAtMs }: NonNullable<InboxCommit['park']>): void {
    const { eventId } = event;
    const eventJson = toJson(event);
    this.#sql.park.run(this.#namespace, key, toColumn(eventId), eventJson, reason, attempts, parkedAtMs);
    const { count } = this.#sql.countParked.get(this.#namespace, key) as { count: Whole };
    if (Number(count) <= this.#maxParked) return;
    throw new EventsClientError(
      'PARKED_FULL',
      `Event "${shortened(eventId)}" of "${event.name}" cannot be handled (${reason}), and ${this.#maxParked} events are parked already: retry or drop some.`,
    );
  }

  #read<R>(step: () => R): R {
    try {
      return step();
    } catch (error) {
      throw unavailable(error);
    }
  }

  /**
   * One transaction.
   *
   * @param isDone whether the step's changes are stored although the transaction cannot be committed
   * @throws what `step` throws, if the database is not the reason
   */
  #write<R>(step: () => R, isDone?: () => boolean): R {
    // Refused if the application has a transaction open: this one must not become part of it.
    this.#read(() => this.#sql.begin.run());
    let result: R;
    try {
      result = step();
    } catch (error) {
      this.#undo(error, isDone);
      throw isDatabaseFailure(error) ? unavailable(error) : error;
    }
    try {
      this.#sql.commit.run();
    } catch (error) {
      this.#undo(error, isDone);
      throw unavailable(error);
    }
    return result;
  }

  #undo(cause: unknown, isDone?: () => boolean): void {
    try {
      this.#sql.rollback.run();
    } catch {
      // Some failures end the transaction by themselves.
    }
    if (isDone !== undefined && this.#read(isDone)) throw endedByHandler(cause);
  }
}

function parkedOf(row: unknown): ParkedEvent {
  const { id, event, reason, attempts, parked_at_ms } = row as {
    id: Whole;
    event: string;
    reason: string;
    attempts: Whole;
    parked_at_ms: Whole;
  };
  const parsed = parseStored<ParkedEvent['event']>(event, `The parked event ${id}`);
  return {
    id: Number(id),
    name: parsed.name,
    event: parsed,
    reason,
    attempts: Number(attempts),
    parkedAtMs: Number(parked_at_ms),
  };
}

function unavailable(cause: unknown): EventsClientError {
  // What the rows say may be damaged.
  if (isEventsClientError(cause)) return cause;
  const message = `The inbox could not be read or written: ${asError(cause).message}`;
  return new EventsClientError('STORE_UNAVAILABLE', message, { cause });
}

function takenOver(name: string): EventsClientError {
  return new EventsClientError(
    'TAKEN_OVER',
    `The subscription ${name} was started, or cancelled, somewhere else with the same inbox: this one has no effect any more.`,
  );
}

function undoneByHandler(): EventsClientError {
  const message =
    'A handler rolled back the transaction it was called in, and the event is not handled: throw instead.';
  return new EventsClientError('HANDLER_MISUSED', message);
}

function endedByHandler(cause: unknown): EventsClientError {
  const message =
    'A handler ended the transaction it was called in; its event counts as handled. Only write in handlers.';
  return new EventsClientError('HANDLER_MISUSED', message, { cause });
}
