import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import type { CheckedEvent, CheckResult } from '@mcp-events/server';
import type { Severity } from './severity.ts';

/** One event of the upstream, as a line. */
interface UpstreamEvent {
  readonly eventId: string;
  readonly timestamp: string;
  readonly severity: Severity;
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

  after(cursor: string | null, limit: number): CheckResult<{ severity: Severity }> {
    this.#readOn();
    const end = this.#events.length;
    const from = cursor === null ? end : Number(cursor);
    const oldest = Math.max(0, end - this.#retention);
    if (!(from >= oldest && from <= end)) return { events: [], cursor: `${oldest}`, truncated: true, hasMore: true };
    const events = this.#events
      .slice(from, from + limit)
      .map(({ eventId, timestamp, severity }, index): CheckedEvent<{ severity: Severity }> => ({
        eventId,
        timestamp,
        data: { severity },
        cursor: `${from + index + 1}`,
      }));
    const next = from + events.length;
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
