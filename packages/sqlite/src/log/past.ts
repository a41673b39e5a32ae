import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { Gap, timestampMs } from '@mcp-events/server';
import type { AncestorEpoch, AppendOptions, Clock, FeedEvent, FeedRecord, Retention } from '@mcp-events/server';
import type { GroupCommit, Provisional } from '../groupCommit.ts';
import type { Statements } from '../statements.ts';
import type { SqliteNotes } from '../sqliteNotes.ts';
import { ancestorsOf } from './ancestors.ts';
import { EventTable } from './eventTable.ts';
import type { Mark } from './eventTable.ts';
import { PastPages } from './pastPages.ts';
import { RecentEvents } from './recentEvents.ts';
import type { LoggedRecord } from './recentEvents.ts';

/** Rows removed in one transaction, as many as one adds: a few milliseconds, however large events are. */
const SLICE = 512;
const SLICE_BYTES = 4 * 1024 * 1024;

/** Marks read ahead of the oldest event, so that retention reads once for many events it passes. */
const MARKS_AHEAD = 256;

/** A reader that is far behind gets its events in pages of this many at most, so that it never holds up the others. */
const MAX_PAGE = 1_000;

/** The earliest time a date can be: where no event came before a gap. */
const EARLIEST_MS = -8.64e15;

export interface PastContext {
  readonly db: DatabaseSyncInstance;
  readonly statements: Statements;
  readonly commit: GroupCommit;
  readonly notes: SqliteNotes;
  readonly clock: Clock;
  /** There are events that may expire without any further call. */
  readonly onStored: () => void;
  /** What cannot be reported to a caller. */
  readonly onProblem: (error: unknown) => void;
}

export interface PastRow {
  readonly id: number;
  readonly name: string;
  readonly epoch: string;
  readonly oldest: number;
  readonly head: number;
  readonly live: number;
  /** JSON. */
  readonly ancestors: string | null;
}

/** The end of the log. */
interface End {
  head: number;
  /** Nothing before it is readable, whatever retention says. */
  floor: number;
  appendedMs: number;
  latestMs: number;
  /** Serialised size of all events ever. */
  bytes: number;
}

/** What one epoch of a log remembers: a table of events, and in memory where it begins and ends. */
export class Past implements Provisional {
  readonly id: number;
  readonly name: string;
  readonly epoch: string;
  readonly ancestors: readonly AncestorEpoch[];
  retention: Retention | undefined;
  readonly #context: PastContext;
  readonly #table: EventTable;
  readonly #recent = new RecentEvents();
  readonly #pages: PastPages;
  /** The one whose place it takes, until the file knows that. */
  #before: Past | undefined;
  /** The file knows it. */
  #created: boolean;
  #creating = false;
  /** There is an index by event id, or it is being made. */
  #indexed = false;
  #end: Readonly<End>;
  /** The end as the transaction under way sees it. */
  #next: End;
  /** Appended by the transaction under way. */
  #appended: LoggedRecord[] = [];
  /** That of the last event. */
  #timestamp = '';
  #timestampMs = Number.NaN;
  #oldest: number;
  /** The first row of the table: those before `#oldest` are to be removed. */
  #firstRow: number;
  #marks: readonly Mark[] = [];
  #marksFrom = 0;
  #sweeping = false;
  #dropped = false;

  constructor(context: PastContext, row: PastRow, created: boolean, before?: Past) {
    this.#context = context;
    this.#before = before;
    this.id = row.id;
    this.name = row.name;
    this.epoch = row.epoch;
    this.ancestors = ancestorsOf(row.ancestors);
    this.#created = created;
    this.#table = new EventTable(context.db, row.id);
    this.#pages = new PastPages(this.#table, row.name);
    const tail = created ? this.#table.tail() : undefined;
    const head = Math.max(row.head, tail?.position ?? 0);
    this.#end = {
      head,
      floor: row.oldest,
      appendedMs: tail?.appendedMs ?? 0,
      latestMs: tail?.latestMs ?? -Infinity,
      bytes: tail === undefined ? 0 : tail.bytesBefore + tail.byteLength,
    };
    this.#next = { ...this.#end };
    this.#oldest = (created ? this.#table.first(row.oldest) : undefined) ?? head + 1;
    this.#firstRow = (created ? this.#table.first(0) : undefined) ?? head + 1;
  }

  get head(): number {
    return this.#end.head;
  }

  get oldest(): number {
    try {
      this.#evict();
    } catch (error) {
      this.#context.onProblem(error);
    }
    return this.#oldest;
  }

  /** Whether time alone will make rows superfluous. */
  get expires(): boolean {
    return this.#firstRow <= this.#end.head && this.retention?.maxAgeMs !== Infinity;
  }

  /** Within a transaction. */
  append(
    event: FeedEvent,
    metaJson: string | null,
    byteLength: number,
    { unique = false, note, isSame }: AppendOptions,
  ): FeedEvent {
    this.ensure();
    const known = unique ? this.#find(event.eventId) : undefined;
    const isOther = known !== undefined && isSame?.(known) === false;
    if (note !== undefined && !isOther) this.#context.notes.store(note);
    if (known !== undefined) return known;
    const next = this.#change();
    const position = next.head + 1;
    const appendedMs = this.#nowMs(next);
    const happenedMs = this.#happenedMs(event.timestamp);
    const latestMs = Math.max(next.latestMs, Number.isNaN(happenedMs) ? appendedMs : happenedMs);
    const logged = { record: event, position, appendedMs, latestMs, byteLength, bytesBefore: next.bytes };
    this.#table.insert(event, metaJson, logged);
    event.position = position;
    next.head = position;
    next.appendedMs = appendedMs;
    next.latestMs = latestMs;
    next.bytes += byteLength;
    this.#appended.push(logged);
    return event;
  }

  /** Within a transaction. */
  skip(): Gap {
    this.ensure();
    const next = this.#change();
    const gap = new Gap(next.head + 1);
    const appendedMs = this.#nowMs(next);
    const latestMs = Math.max(next.latestMs, EARLIEST_MS);
    const at = { position: gap.position, appendedMs, latestMs, byteLength: 0, bytesBefore: next.bytes };
    this.#table.insertGap(at);
    next.head = gap.position;
    next.appendedMs = appendedMs;
    next.latestMs = latestMs;
    this.#appended.push({ record: gap, ...at });
    return gap;
  }

  /** Read once for each text: events of one millisecond, of which load brings many, share it. */
  #happenedMs(timestamp: string): number {
    if (timestamp !== this.#timestamp) {
      this.#timestamp = timestamp;
      this.#timestampMs = timestampMs(timestamp);
    }
    return this.#timestampMs;
  }

  /** Never less than for what was appended before. */
  #nowMs({ appendedMs }: End): number {
    return Math.max(appendedMs, Math.floor(this.#context.clock.now()));
  }

  /** Within a transaction: makes this the live past of its name. */
  ensure(): void {
    if (this.#created) return;
    const { statements, commit } = this.#context;
    statements.get('UPDATE logs SET live = 0 WHERE name = ? AND live = 1').run(this.name);
    statements
      .get('INSERT INTO logs (id, name, epoch, oldest, head, live) VALUES (?, ?, ?, 1, 0, 1)')
      .run(this.id, this.name, this.epoch);
    this.#table.create();
    this.#created = true;
    this.#creating = true;
    commit.enlist(this);
  }

  committed(): void {
    this.#end = { ...this.#next };
    this.#creating = false;
    this.#dropBefore();
    for (const logged of this.#appended) this.#recent.push(logged);
    this.#appended = [];
    this.sweep(SLICE);
    this.#context.onStored();
  }

  rolledBack(): void {
    this.#next = { ...this.#end };
    if (this.#creating) this.#created = false;
    this.#creating = false;
    this.#indexed = false;
    for (const { record } of this.#appended) record.position = 0;
    this.#appended = [];
  }

  read(position: number, limit: number): FeedRecord[] {
    const first = Math.max(position + 1, this.oldest);
    const last = Math.min(this.#end.head, first + Math.min(limit, MAX_PAGE) - 1);
    if (last < first) return [];
    return this.#recent.slice(first, last) ?? this.#pages.read(first, last, this.#end.head);
  }

  seek(position: number, notBeforeMs: number): number {
    const start = Math.max(position, this.oldest - 1);
    // The latest timestamp so far only grows along the log, so the first event that reaches the bound can be searched.
    const reaches = (p: number): boolean => this.#table.latestMs(p) >= notBeforeMs;
    return firstOf(start + 1, this.#end.head + 1, reaches) - 1;
  }

  /** The end, to be changed by the transaction under way. */
  #change(): End {
    this.#context.commit.enlist(this);
    return this.#next;
  }

  /** Nobody reads it any more: the rows go bit by bit, then the table. */
  drop(): void {
    this.#dropped = true;
    this.#dropBefore();
    this.forgetRecent();
    this.#marks = [];
    this.sweep(0);
  }

  #dropBefore(): void {
    this.#before?.drop();
    this.#before = undefined;
  }

  /** No reader follows the log at the moment. */
  forgetRecent(): void {
    this.#recent.clear();
    this.#pages.clear();
  }

  /** Begins to remove rows that are not readable any more if there are at least so many of them. */
  sweep(minRows: number): void {
    if (this.#sweeping || !this.#created) return;
    const superfluous = (this.#dropped ? this.#end.head + 1 : this.oldest) - this.#firstRow;
    if (!this.#dropped && superfluous < Math.max(1, minRows)) return;
    this.#sweeping = true;
    void this.#sweepOn();
  }

  async #sweepOn(): Promise<void> {
    try {
      for (;;) {
        const end = this.#dropped ? this.#end.head + 1 : this.oldest;
        if (this.#firstRow >= end) break;
        const most = Math.min(this.#firstRow + SLICE, end);
        const upTo = this.#table.endOfSlice(this.#firstRow, most, SLICE_BYTES);
        await this.#context.commit.writeInBackground(() => this.#removeBefore(upTo));
        this.#firstRow = upTo;
      }
      if (this.#dropped) await this.#context.commit.writeInBackground(() => this.#remove());
    } catch (error) {
      this.#context.onProblem(error);
    } finally {
      this.#sweeping = false;
    }
  }

  #removeBefore(position: number): void {
    this.#table.removeBefore(position);
    this.#context.statements
      .get('UPDATE logs SET oldest = max(oldest, ?), head = max(head, ?) WHERE id = ?')
      .run(position, position - 1, this.id);
  }

  #remove(): void {
    this.#table.drop();
    this.#context.statements.get('DELETE FROM logs WHERE id = ?').run(this.id);
  }

  /** Moves `#oldest` past everything that retention gives up. */
  #evict(): void {
    const { head, floor } = this.#end;
    const { maxCount = Infinity } = this.retention ?? {};
    this.#oldest = Math.min(head + 1, Math.max(this.#oldest, floor, head - maxCount + 1));
    if (this.#oldest > head || this.#isKept(this.#markAt(this.#oldest), this.#end)) return;
    // The oldest event goes, and usually a few after it. Far ahead is searched; nearby is in memory.
    const ahead = this.#marksFrom + this.#marks.length;
    const isKept = (p: number): boolean => this.#isKept(this.#markAt(p, false), this.#end);
    const near = this.#oldest < ahead && ahead <= head && isKept(ahead - 1) ? ahead : head + 1;
    this.#oldest = firstOf(this.#oldest + 1, near, isKept);
  }

  /** All that retention decides by only grows along the log, so an event goes exactly if its own mark says so. */
  #isKept({ appendedMs, bytesBefore }: Mark, { bytes }: End): boolean {
    if (this.retention === undefined) return true;
    const { maxAgeMs, maxBytes } = this.retention;
    return bytes - bytesBefore <= maxBytes && appendedMs >= this.#context.clock.now() - maxAgeMs;
  }

  #markAt(position: number, readAhead = true): Mark {
    const recent = position >= this.#recent.first ? this.#recent.at(position) : undefined;
    const known = recent ?? this.#marks[position - this.#marksFrom];
    if (known !== undefined) return known;
    if (!readAhead) return this.#table.mark(position) as Mark;
    this.#marks = this.#table.marks(position, MARKS_AHEAD);
    this.#marksFrom = position;
    return this.#marks[0] as Mark;
  }

  /** An event of this id that is readable, or appended by the transaction under way. */
  #find(eventId: string): FeedEvent | undefined {
    if (!this.#indexed) {
      this.#table.indexEventIds();
      this.#indexed = true;
      this.#context.commit.enlist(this);
    }
    const found = this.#table.find(eventId);
    if (found === undefined) return undefined;
    const { position } = found;
    const { head, floor } = this.#next;
    const { maxCount = Infinity } = this.retention ?? {};
    const first = Math.max(this.#oldest, floor, head - maxCount + 1);
    if (position < first || !this.#isKept(found, this.#next)) return undefined;
    const stored =
      this.#appended.find(({ record }) => record.position === position)?.record ??
      this.#recent.slice(position, position)?.[0] ??
      this.#table.read(this.name, position, position)[0];
    return stored?.kind === 'event' ? stored : undefined;
  }
}

/** The first whole number from `low` on that satisfies `test`, or `high`; `test` must stay true once it is. */
function firstOf(low: number, high: number, test: (n: number) => boolean): number {
  let from = low;
  let to = high;
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if (test(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}
