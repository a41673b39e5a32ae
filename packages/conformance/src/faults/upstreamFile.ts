import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import type { CheckedEvent, CheckResult } from '@mcp-events/server';
import { dataOf, mayRead } from '../simulation/authoredEvent.ts';
import type { AuthoredData, AuthoredEvent } from '../simulation/authoredEvent.ts';

/** One event of the upstream, as a line. */
interface UpstreamEvent extends AuthoredEvent {
  readonly timestamp: string;
}

/** Events of another system, in a file that only grows. */
export class UpstreamWriter {
  readonly #file: number;
  #position = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  /** Returns the position after the event. */
  append(event: UpstreamEvent): number {
    writeSync(this.#file, `${JSON.stringify(event)}\n`);
    fsyncSync(this.#file);
    return ++this.#position;
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The same system, asked by a server. It answers for the latest events only. */
export class UpstreamReader {
  readonly #file: number;
  readonly #retention: number;
  readonly #events: UpstreamEvent[] = [];
  #offset = 0;
  #rest = '';

  constructor(path: string, retention: number) {
    this.#file = openSync(path, 'a+');
    this.#retention = retention;
  }

  /** What a principal may see of what follows a position. */
  after(cursor: string | null, limit: number, principal: string | undefined): CheckResult<AuthoredData> {
    this.#readOn();
    const end = this.#events.length;
    const from = cursor === null ? end : Number(cursor);
    const oldest = Math.max(0, end - this.#retention);
    if (!(from >= oldest && from <= end)) return { events: [], cursor: `${oldest}`, truncated: true, hasMore: true };
    const page = this.#events.slice(from, from + limit);
    const events = page.flatMap(({ timestamp, ...event }, index): CheckedEvent<AuthoredData>[] => {
      if (!mayRead(principal, event.tenant)) return [];
      return [{ eventId: event.eventId, timestamp, data: dataOf(event), cursor: `${from + index + 1}` }];
    });
    const next = from + page.length;
    return { events, cursor: `${next}`, hasMore: next < end };
  }

  #readOn(): void {
    const { size } = fstatSync(this.#file);
    const chunk = Buffer.alloc(size - this.#offset);
    this.#offset += readSync(this.#file, chunk, 0, chunk.length, this.#offset);
    const lines = (this.#rest + chunk.toString()).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#events.push(JSON.parse(line) as UpstreamEvent);
  }
}
