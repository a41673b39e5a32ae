import type { FeedRecord } from '@mcp-events/server';

/** How much of a log stays in memory, so that whoever follows it closely never waits for the disk. */
const MAX_COUNT = 4_096;
const MAX_BYTES = 8 * 1024 * 1024;

/** What stands at one place, with what retention decides by. */
export interface LoggedRecord {
  readonly record: FeedRecord;
  readonly appendedMs: number;
  readonly byteLength: number;
  readonly bytesBefore: number;
}

/** The newest events of one log, without holes. */
export class RecentEvents {
  #events: LoggedRecord[] = [];
  /** Entries before it are gone; moving the rest for each of them would cost more than keeping their slots a while. */
  #start = 0;
  #bytes = 0;

  /** Position of the first, `Infinity` if there is none. */
  get first(): number {
    return this.#events[this.#start]?.record.position ?? Infinity;
  }

  push(logged: LoggedRecord): void {
    this.#events.push(logged);
    this.#bytes += logged.byteLength;
    while (this.#events.length - this.#start > MAX_COUNT || this.#bytes > MAX_BYTES) {
      this.#bytes -= this.#events[this.#start++]?.byteLength ?? 0;
    }
    if (this.#start <= MAX_COUNT) return;
    this.#events = this.#events.slice(this.#start);
    this.#start = 0;
  }

  at(position: number): LoggedRecord | undefined {
    return this.#events[this.#start + position - this.first];
  }

  /** Only if all of them are here. */
  slice(first: number, last: number): FeedRecord[] | undefined {
    if (first < this.first) return undefined;
    const start = this.#start + first - this.first;
    return this.#events.slice(start, start + last - first + 1).map(({ record }) => record);
  }

  clear(): void {
    this.#events = [];
    this.#start = 0;
    this.#bytes = 0;
  }
}
