import type { AncestorEpoch, OccurrenceInput, Retention, StoredDeadLetter } from '@mcp-events/server';

/** One event, or one gap, as it is on disk. */
export interface DiskEvent {
  readonly position: number;
  /** `undefined` for a gap. */
  readonly input: OccurrenceInput | undefined;
  /** What was stored cannot be read any more: in the way the disk finds out itself, or only who reads the JSON. */
  readonly damage?: 'found' | 'hidden';
  readonly byteLength: number;
  readonly appendedAtMs: number;
}

export interface DiskLog {
  epoch: string;
  /** Epochs of the storage that this one is a copy of. */
  ancestors: readonly AncestorEpoch[];
  head: number;
  /** Oldest first, without holes; the first ones may have been removed. */
  events: DiskEvent[];
}

/** What is on a disk. */
export interface DiskContent {
  readonly logs: ReadonlyMap<string, DiskLog>;
  readonly subscriptions: ReadonlyMap<string, string>;
  readonly deadLetters: ReadonlyMap<number, StoredDeadLetter>;
  readonly notes: ReadonlyMap<string, string>;
}

/** What survives the processes that write it. */
export class VirtualDisk implements DiskContent {
  readonly logs: Map<string, DiskLog> = new Map();
  /** JSON text by id: nothing on disk is shared with anybody. */
  readonly subscriptions: Map<string, string> = new Map();
  readonly deadLetters: Map<number, StoredDeadLetter> = new Map();
  readonly notes: Map<string, string> = new Map();
  nextLetter = 1;
  #epochs = 0;

  log(name: string): DiskLog {
    let log = this.logs.get(name);
    if (log === undefined) this.logs.set(name, (log = { epoch: this.newEpoch(), ancestors: [], head: 0, events: [] }));
    return log;
  }

  /** What a backup has of it at this moment. */
  copy(): DiskContent {
    return {
      logs: new Map([...this.logs].map(([name, log]) => [name, { ...log, events: [...log.events] }])),
      subscriptions: new Map(this.subscriptions),
      deadLetters: new Map(this.deadLetters),
      notes: new Map(this.notes),
    };
  }

  /** Everything is again as in that copy, and the logs go on from there in epochs of their own. */
  restore(copy: DiskContent): void {
    const replace = <K, V>(current: Map<K, V>, entries: Iterable<readonly [K, V]>): void => {
      current.clear();
      for (const [key, value] of entries) current.set(key, value);
    };
    replace(
      this.logs,
      [...copy.logs].map(([name, log]) => {
        const ancestors = [{ epoch: log.epoch, head: log.head }, ...log.ancestors];
        return [name, { ...log, epoch: this.newEpoch(), ancestors, events: [...log.events] }] as const;
      }),
    );
    replace(this.subscriptions, copy.subscriptions);
    replace(this.deadLetters, copy.deadLetters);
    replace(this.notes, copy.notes);
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
