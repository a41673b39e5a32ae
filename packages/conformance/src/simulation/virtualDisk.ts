import type { OccurrenceInput, Retention, StoredDeadLetter } from '@mcp-events/server';

/** One event, or one gap, as it is on disk. */
export interface DiskEvent {
  readonly position: number;
  /** `undefined` for a gap. */
  readonly input: OccurrenceInput | undefined;
  readonly byteLength: number;
  readonly appendedAtMs: number;
}

export interface DiskLog {
  epoch: string;
  head: number;
  /** Oldest first, without holes; the first ones may have been removed. */
  events: DiskEvent[];
}

/** What survives the processes that write it. */
export class VirtualDisk {
  readonly logs: Map<string, DiskLog> = new Map();
  /** JSON text by id: nothing on disk is shared with anybody. */
  readonly subscriptions: Map<string, string> = new Map();
  readonly deadLetters: Map<number, StoredDeadLetter> = new Map();
  readonly notes: Map<string, string> = new Map();
  nextLetter = 1;
  #epochs = 0;

  log(name: string): DiskLog {
    let log = this.logs.get(name);
    if (log === undefined) this.logs.set(name, (log = { epoch: this.newEpoch(), head: 0, events: [] }));
    return log;
  }

  newEpoch(): string {
    return `epoch${++this.#epochs}`;
  }
}

/** Removes what retention does not cover any more. Returns the latest event that it removed. */
export function retain(
  log: DiskLog,
  { maxAgeMs, maxCount, maxBytes }: Retention,
  nowMs: number,
): DiskEvent | undefined {
  let bytes = log.events.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let removed = 0;
  for (const { byteLength, appendedAtMs } of log.events) {
    const isCurrent = appendedAtMs >= nowMs - maxAgeMs;
    if (isCurrent && bytes <= maxBytes && log.events.length - removed <= maxCount) break;
    bytes -= byteLength;
    removed++;
  }
  const latest = log.events[removed - 1];
  if (removed > 0) log.events = log.events.slice(removed);
  return latest;
}
