import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import { FeedEvent, Gap, timestampMs } from '@mcp-events/server';
import type { FeedRecord } from '@mcp-events/server';
import { eventIdIndex, eventsTable, eventsTableName } from '../schema.ts';
import { Statements } from '../statements.ts';
import { isDamage } from '../storageError.ts';

/** What retention decides by. */
export interface Mark {
  readonly appendedMs: number;
  readonly bytesBefore: number;
}

export interface Tail extends Mark {
  readonly position: number;
  readonly latestMs: number;
  readonly byteLength: number;
}

type EventRow = [
  position: number,
  eventId: string,
  timestamp: string,
  target: string | null,
  meta: string | null,
  data: string,
  isJson: number,
];

const MARK = 'appended_ms AS appendedMs, bytes_before AS bytesBefore';

/** The statements on the events of one past, each made when it is first needed. */
export class EventTable {
  readonly #db: DatabaseSyncInstance;
  readonly #id: number;
  readonly #name: string;
  readonly #statements: Statements;
  /** The hot ones are not looked up. Each value to bind costs, and most events have neither `_meta` nor a target. */
  #insertPlain: StatementSyncInstance | undefined;
  #insertFull: StatementSyncInstance | undefined;
  #select: StatementSyncInstance | undefined;

  constructor(db: DatabaseSyncInstance, id: number) {
    this.#db = db;
    this.#statements = new Statements(db);
    this.#id = id;
    this.#name = eventsTableName(id);
  }

  create(): void {
    this.#db.exec(eventsTable(this.#id));
  }

  drop(): void {
    this.#db.exec(`DROP TABLE ${this.#name}`);
  }

  insert(event: FeedEvent, metaJson: string | null, at: Tail): void {
    const { eventId, timestamp, target, dataJson } = event;
    const { position, appendedMs, latestMs, byteLength, bytesBefore } = at;
    if (metaJson === null && target === undefined) {
      this.#insertPlain ??= this.#prepareInsert('');
      // `run` would build an answer that costs a tenth of all.
      this.#insertPlain.get(position, eventId, timestamp, appendedMs, latestMs, byteLength, bytesBefore, dataJson);
    } else {
      this.#insertFull ??= this.#prepareInsert(', meta, target');
      const optional = [metaJson, target ?? null];
      this.#insertFull.run(
        ...[position, eventId, timestamp, appendedMs, latestMs, byteLength, bytesBefore, dataJson],
        ...optional,
      );
    }
  }

  /** A row without an id, which no event has. */
  insertGap({ position, appendedMs, latestMs, bytesBefore }: Tail): void {
    this.#insertPlain ??= this.#prepareInsert('');
    this.#insertPlain.get(position, '', '', appendedMs, latestMs, 0, bytesBefore, '');
  }

  /** What {@link find} needs. */
  indexEventIds(): void {
    this.#db.exec(eventIdIndex(this.#id));
  }

  /**
   * What stands at each of these positions. Where that cannot be read, or is not what was written, a gap with the cause
   * stands in its place.
   */
  read(name: string, first: number, last: number): FeedRecord[] {
    let rows: EventRow[];
    try {
      rows = this.#rows(first, last);
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (first === last) return [damaged(name, first, 'its page of the file is damaged')];
      const middle = Math.floor((first + last) / 2);
      return [...this.read(name, first, middle), ...this.read(name, middle + 1, last)];
    }
    const records = rows.map((row) => recordOf(name, row));
    return records.length === last - first + 1 ? records : withoutHoles(name, first, last, records);
  }

  #rows(first: number, last: number): EventRow[] {
    if (this.#select === undefined) {
      this.#select = this.#db.prepare(
        `SELECT position, event_id, timestamp, target, meta, data, json_valid(data) FROM ${this.#name}
         WHERE position BETWEEN ? AND ? ORDER BY position`,
      );
      // An object for each row would cost as much as everything else.
      this.#select.setReturnArrays(true);
    }
    return this.#select.all(first, last) as EventRow[];
  }

  /** The last event of this id. */
  find(eventId: string): (Mark & { readonly position: number }) | undefined {
    return this.#statements
      .get(`SELECT position, ${MARK} FROM ${this.#name} WHERE event_id = ? ORDER BY position DESC LIMIT 1`)
      .get(eventId) as (Mark & { position: number }) | undefined;
  }

  /** Of the event at this position; of the next one if it is missing. */
  mark(position: number): Mark | undefined {
    return this.marks(position, 1)[0];
  }

  /** Of the events from this position on. One that is missing has that of the next. */
  marks(first: number, limit: number): Mark[] {
    const rows = this.#statements
      .get(`SELECT position, ${MARK} FROM ${this.#name} WHERE position >= ? ORDER BY position LIMIT ?`)
      .all(first, limit) as (Mark & { readonly position: number })[];
    const marks: Mark[] = [];
    for (const row of rows) while (marks.length < limit && first + marks.length <= row.position) marks.push(row);
    return marks;
  }

  /** A running maximum: where an event is missing, the one before it says the same. */
  latestMs(position: number): number {
    const row = this.#statements
      .get(`SELECT latest_ms FROM ${this.#name} WHERE position <= ? ORDER BY position DESC LIMIT 1`)
      .get(position);
    return (row as { latest_ms: number } | undefined)?.latest_ms ?? -Infinity;
  }

  /** The first row at or after `position`. */
  first(position: number): number | undefined {
    const row = this.#statements
      .get(`SELECT min(position) AS first FROM ${this.#name} WHERE position >= ?`)
      .get(position);
    return (row as { first: number | null }).first ?? undefined;
  }

  tail(): Tail | undefined {
    return this.#statements
      .get(
        `SELECT position, latest_ms AS latestMs, byte_length AS byteLength, ${MARK} FROM ${this.#name}
       ORDER BY position DESC LIMIT 1`,
      )
      .get() as Tail | undefined;
  }

  /** Serialised size of the events at these positions. */
  bytesOf(first: number, last: number): number {
    try {
      const row = this.#statements
        .get(`SELECT sum(byte_length) AS bytes FROM ${this.#name} WHERE position BETWEEN ? AND ?`)
        .get(first, last);
      return (row as { bytes: number | null }).bytes ?? 0;
    } catch (error) {
      // Small pages leave the most that can be read.
      if (isDamage(error)) return Infinity;
      throw error;
    }
  }

  /** Up to where the events from `first` on have about so many bytes together; at most `most`, and at least one event. */
  endOfSlice(first: number, most: number, maxBytes: number): number {
    const bytesBefore = `SELECT bytes_before FROM ${this.#name} WHERE position >= ? ORDER BY position LIMIT 1`;
    const row = this.#statements
      .get(
        `SELECT position FROM ${this.#name}
         WHERE position > ? AND position < ? AND bytes_before > (${bytesBefore}) + ? ORDER BY position LIMIT 1`,
      )
      .get(first, most, first, maxBytes);
    return (row as { position: number } | undefined)?.position ?? most;
  }

  removeBefore(position: number): void {
    this.#statements.get(`DELETE FROM ${this.#name} WHERE position < ?`).run(position);
  }

  #prepareInsert(optional: string): StatementSyncInstance {
    const columns = `position, event_id, timestamp, appended_ms, latest_ms, byte_length, bytes_before, data${optional}`;
    const values = columns.replaceAll(/\w+/g, '?');
    return this.#db.prepare(`INSERT INTO ${this.#name} (${columns}) VALUES (${values})`);
  }
}

function recordOf(name: string, [position, eventId, timestamp, target, meta, dataJson, isJson]: EventRow): FeedRecord {
  if (eventId === '') return new Gap(position);
  if (isJson !== 1 || !dataJson.startsWith('{')) return damaged(name, position, 'its payload is no JSON object');
  if (Number.isNaN(timestampMs(timestamp))) return damaged(name, position, 'its timestamp is none');
  let _meta: Record<string, unknown> | undefined;
  try {
    _meta = meta === null ? undefined : (JSON.parse(meta) as Record<string, unknown>);
  } catch {
    // What the engine says of a failure quotes the text, and what is stored is not for logs.
    return damaged(name, position, 'its metadata is no JSON');
  }
  const event = new FeedEvent({ eventId, name, timestamp, dataJson, _meta, target: target ?? undefined }, null);
  event.position = position;
  return event;
}

function withoutHoles(name: string, first: number, last: number, records: readonly FeedRecord[]): FeedRecord[] {
  const found = new Map(records.map((record) => [record.position, record]));
  return Array.from(
    { length: last - first + 1 },
    (_, index) => found.get(first + index) ?? damaged(name, first + index, 'it is missing'),
  );
}

function damaged(name: string, position: number, what: string): Gap {
  const words = `event ${position} of ${JSON.stringify(name)} cannot be read from the storage: ${what}. It is told as lost`;
  return new Gap(position, null, new Error(`${words}; restore a backup if it is needed`));
}
