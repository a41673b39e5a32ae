import type { Clock } from '../clock.ts';
import type { FeedRecord } from '../occurrence/feedEvent.ts';
import { Gap } from '../occurrence/gap.ts';
import type { EventLog } from '../storage/eventLog.ts';
import { FilterIndex } from '../subscription/filterIndex.ts';
import type { Filter } from '../subscription/filterIndex.ts';
import type { DamageReports } from './damageReports.ts';
import type { LogAttachment, LogDispatch } from './logAttachment.ts';

/** Events read at once. */
const PAGE_LIMIT = 256;

/** Receivers served before the event loop gets a turn, as for events that are new. */
const SLICE = 2_000;

/** How long a failing read is left alone before it is tried again; doubles up to 32 times that. */
const RETRY_MS = 1_000;

export interface LogReplayOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly filter: Filter;
  readonly cursorAt: (position: number) => string;
  /** It was given everything there is, and follows the log from here on. */
  readonly arrived: (attachment: LogAttachment) => void;
  readonly report: (error: unknown) => void;
  readonly damage: DamageReports;
}

/**
 * Gives receivers what they missed, in one pass over the log for all of them: after a restart, a hundred thousand
 * subscriptions that each read for themselves would read the same events a hundred thousand times, and most of them for
 * nothing. A receiver takes part from its own position on. One that the pass is ahead of waits for the next.
 */
export class LogReplay implements LogDispatch {
  readonly #options: LogReplayOptions;
  readonly #index: FilterIndex<LogAttachment>;
  readonly #later = new Set<LogAttachment>();
  readonly #waiting: LogDispatch;
  #dispatched = 0;
  /** Whoever stands here or later misses nothing of the pass under way. */
  #reached = 0;
  #failures = 0;
  #timer: unknown;
  #running = false;
  #closed = false;

  constructor(options: LogReplayOptions) {
    this.#options = options;
    this.#index = new FilterIndex(options.filter);
    const { cursorAt } = options;
    this.#waiting = { dispatched: 0, cursorAt, remove: (attachment) => void this.#later.delete(attachment) };
  }

  get dispatched(): number {
    return this.#dispatched;
  }

  get size(): number {
    return this.#index.size + this.#later.size;
  }

  cursorAt(position: number): string {
    return this.#options.cursorAt(position);
  }

  add(attachment: LogAttachment): void {
    if (this.#index.size > 0 && attachment.position >= this.#reached) this.#join(attachment);
    else {
      attachment.dispatch = this.#waiting;
      this.#later.add(attachment);
    }
    if (!this.#running) void this.#run();
  }

  remove(attachment: LogAttachment): void {
    this.#index.delete(attachment);
  }

  setFilter(filter: Filter): void {
    this.#index.setFilter(filter);
  }

  close(): void {
    this.#closed = true;
    this.#options.clock.clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Those who come back in this turn share the first pass.
    await this.#turn();
    while (!this.#closed && this.size > 0) {
      if (this.#index.size === 0) this.#beginPass();
      try {
        await this.#step();
        this.#failures = 0;
      } catch (error) {
        if (this.#closed) return;
        this.#options.report(error);
        await this.#delay(RETRY_MS * 2 ** Math.min(this.#failures++, 5));
      }
    }
    this.#running = false;
  }

  #beginPass(): void {
    let first = Infinity;
    for (const { position } of this.#later) if (position < first) first = position;
    this.#dispatched = this.#reached = first;
    for (const attachment of this.#later) this.#join(attachment);
    this.#later.clear();
  }

  #join(attachment: LogAttachment): void {
    attachment.dispatch = this;
    this.#index.add(attachment);
  }

  async #step(): Promise<void> {
    const { log } = this.#options;
    const from = this.#dispatched;
    const records = await log.read(from, PAGE_LIMIT);
    if (this.#closed) return;
    // From here to the end of the pass nothing is awaited, so nothing is appended in between.
    if (records.length === 0 && from >= log.head) {
      this.#finishPass();
      return;
    }
    // Retention may have passed what was still to be read.
    const first = (records[0]?.position ?? log.oldest) - 1;
    if (first > from) await this.#dispatch(new Gap(first));
    for (const record of records) await this.#dispatch(record);
    await this.#turn();
  }

  #finishPass(): void {
    for (const attachment of [...this.#index.members()]) {
      this.#index.delete(attachment);
      this.#options.arrived(attachment);
    }
  }

  async #dispatch(found: FeedRecord): Promise<void> {
    found.cursor ??= this.cursorAt(found.position);
    // Before the receivers are looked up: whoever comes later is not among them.
    this.#reached = found.position;
    let record = found;
    let receivers: readonly LogAttachment[];
    try {
      receivers = this.#index.concernedBy(record);
    } catch (error) {
      // Its payload cannot be read: whom it concerns is not known, and what follows must not wait for it.
      record = new Gap(found.position, found.cursor, error as Error);
      receivers = this.#index.concernedBy(record);
    }
    if (record.kind === 'gap') this.#options.damage.report(record);
    for (let next = 0; next < receivers.length; next++) {
      if (next % SLICE === SLICE - 1) await this.#turn();
      if (this.#closed) return;
      receivers[next]?.give(record);
    }
    this.#dispatched = record.position;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.setImmediate(resolve));
  }

  #delay(delayMs: number): Promise<void> {
    return new Promise((resolve) => (this.#timer = this.#options.clock.setTimeout(resolve, delayMs)));
  }
}
