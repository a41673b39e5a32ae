import { FeedEvent, Gap } from '@mcp-events/server';
import type {
  AncestorEpoch,
  AppendOptions,
  DeadLetterFilter,
  DeadLetterStore,
  EventLog,
  FeedRecord,
  MaybePromise,
  Note,
  Notes,
  OccurrenceInput,
  Retention,
  Storage,
  StoredDeadLetter,
  StoredSubscription,
  SubscriptionStore,
} from '@mcp-events/server';
import type { Random } from './random.ts';
import { localFault } from './localFaults.ts';
import { SimulatedFault } from './simulatedFault.ts';
import { retain } from './virtualDisk.ts';
import type { DiskEvent, DiskLog, VirtualDisk } from './virtualDisk.ts';
import type { ProcessClock } from './virtualTime.ts';

/** How a disk behaves at the moment. Changed while it is in use. */
export interface DiskBehaviour {
  writeMs: number;
  readMs: number;
  /** Of each group of writes. */
  writeFailure: number;
  readFailure: number;
  /** Whether reads that take no time are answered at once. */
  readsAtOnce: boolean;
}

/** A write that waits for its group. */
interface Write {
  readonly apply: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface DiskStorageOptions {
  readonly clock: ProcessClock;
  readonly random: Random;
  readonly onActivity: () => void;
  readonly onRemoved: (name: string, cursor: string) => void;
}

/**
 * A server's storage on a virtual disk. Writes that wait at the same time are stored as one group, completely or not at
 * all, and answered when they are stored. When the process dies, the group under way is on disk or not.
 */
export class DiskStorage implements Storage {
  readonly durable = true;
  readonly subscriptions: SubscriptionStore;
  readonly deadLetters: DeadLetterStore;
  readonly notes: Notes;
  readonly disk: VirtualDisk;
  readonly clock: ProcessClock;
  readonly random: Random;
  /** Told the last position that retention removed. */
  readonly onRemoved: (name: string, cursor: string) => void;
  readonly #behaviour: DiskBehaviour;
  readonly #onActivity: () => void;
  #waiting: Write[] = [];
  #writing: Write[] = [];
  #running: Promise<void> | undefined;
  #dead = false;
  #failures = 0;

  constructor(
    disk: VirtualDisk,
    behaviour: DiskBehaviour,
    { clock, random, onActivity, onRemoved }: DiskStorageOptions,
  ) {
    this.disk = disk;
    this.clock = clock;
    this.random = random;
    this.onRemoved = onRemoved;
    this.#behaviour = behaviour;
    this.#onActivity = onActivity;
    this.subscriptions = subscriptionsOn(this);
    this.deadLetters = deadLettersOn(this);
    this.notes = notesOn(this);
  }

  openLog(name: string, retention: Retention): EventLog {
    return new StoredLog(this, name, retention);
  }

  /** Resolves with what `apply` returns, when it is on disk. */
  write<T>(apply: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#dead) return;
      this.#onActivity();
      this.#waiting.push({ apply, resolve: resolve as (value: unknown) => void, reject });
      this.#running ??= this.#run();
    });
  }

  read<T>(take: () => T): MaybePromise<T> {
    const { readMs, readFailure, readsAtOnce } = this.#behaviour;
    const delayMs = this.random.delayMs(readMs);
    const fails = this.random.chance(readFailure);
    this.#onActivity();
    if (delayMs === 0 && readsAtOnce && !fails) return take();
    return this.clock.delay(delayMs).then(() => {
      if (fails) throw this.#failure('the virtual disk cannot read');
      return take();
    });
  }

  async close(): Promise<void> {
    await this.#running;
  }

  /** The process dies. */
  kill(): void {
    if (this.#writing.length > 0 && this.random.chance(0.5)) for (const { apply } of this.#writing) apply();
    this.#dead = true;
  }

  /** Whatever its code still does reaches no disk. */
  get isDead(): boolean {
    return this.#dead;
  }

  async #run(): Promise<void> {
    // Whoever writes in the same turn shares the group.
    await this.clock.delay(0);
    while (this.#waiting.length > 0) {
      this.#writing = this.#waiting.splice(0);
      await this.clock.delay(this.random.delayMs(this.#behaviour.writeMs));
      if (this.#dead) return;
      const group = this.#writing;
      this.#writing = [];
      this.#onActivity();
      if (this.random.chance(this.#behaviour.writeFailure)) {
        for (const { reject } of group) reject(this.#failure('the virtual disk cannot write'));
      } else {
        const results = group.map(({ apply }) => apply());
        for (const [index, { resolve }] of group.entries()) resolve(results[index]);
      }
    }
    this.#running = undefined;
  }

  /** One of those that a system tells, in turn. */
  #failure(message: string): SimulatedFault {
    return localFault(message, this.#failures++);
  }
}

class StoredLog implements EventLog {
  readonly #storage: DiskStorage;
  readonly #name: string;
  readonly #log: DiskLog;
  readonly #retention: Retention;

  constructor(storage: DiskStorage, name: string, retention: Retention) {
    this.#storage = storage;
    this.#name = name;
    this.#log = storage.disk.log(name);
    this.#retention = retention;
  }

  get epoch(): string {
    return this.#log.epoch;
  }

  get ancestors(): readonly AncestorEpoch[] {
    return this.#log.ancestors;
  }

  get head(): number {
    return this.#log.head;
  }

  get oldest(): number {
    this.#retain();
    return this.#log.events[0]?.position ?? this.#log.head + 1;
  }

  append(event: FeedEvent, { byteLength, unique, note }: AppendOptions): Promise<FeedEvent> {
    const input: OccurrenceInput = {
      eventId: event.eventId,
      name: event.name,
      timestamp: event.timestamp,
      dataJson: event.dataJson,
      _meta: event._meta,
      target: event.target,
    };
    return this.#storage.write(() => {
      const log = this.#log;
      this.#retain();
      if (note !== undefined) this.#storage.disk.notes.set(note.key, note.value);
      const known = unique === true ? log.events.find((stored) => stored.input?.eventId === input.eventId) : undefined;
      if (known !== undefined) return readRecord(known) as FeedEvent;
      log.head++;
      log.events.push({ position: log.head, input, byteLength, appendedAtMs: this.#storage.clock.now() });
      event.position = log.head;
      return event;
    });
  }

  skip(): Promise<Gap> {
    return this.#storage.write(() => {
      const log = this.#log;
      log.head++;
      log.events.push({ position: log.head, input: undefined, byteLength: 0, appendedAtMs: this.#storage.clock.now() });
      return new Gap(log.head);
    });
  }

  read(position: number, limit: number): MaybePromise<readonly FeedRecord[]> {
    return this.#storage.read(() => {
      this.#retain();
      const first = this.#log.events[0]?.position ?? 0;
      const from = Math.max(0, position + 1 - first);
      return this.#log.events.slice(from, from + limit).map(readRecord);
    });
  }

  seek(position: number, notBeforeMs: number): MaybePromise<number> {
    return this.#storage.read(() => {
      const isLater = ({ input }: DiskEvent): boolean =>
        input !== undefined && Date.parse(input.timestamp) >= notBeforeMs;
      const found = this.#log.events.find((stored) => stored.position > position && isLater(stored));
      return found === undefined ? this.#log.head : found.position - 1;
    });
  }

  clear(): Promise<void> {
    Object.assign(this.#log, { epoch: this.#storage.disk.newEpoch(), ancestors: [], head: 0, events: [] });
    return this.#storage.write(() => {});
  }

  close(): void {}

  #retain(): void {
    if (this.#storage.isDead) return;
    const removed = retain(this.#log, this.#retention, this.#storage.clock.now());
    if (removed !== undefined) this.#storage.onRemoved(this.#name, `${this.#log.epoch}.${removed.position}`);
  }
}

function readRecord({ input, position, damage }: DiskEvent): FeedRecord {
  if (input === undefined) return new Gap(position);
  if (damage === 'found') return new Gap(position, null, new SimulatedFault('the virtual disk is damaged'));
  const event = new FeedEvent(damage === undefined ? input : { ...input, dataJson: '{"severity":"hi' }, null);
  event.position = position;
  return event;
}

function subscriptionsOn(storage: DiskStorage): SubscriptionStore {
  const { subscriptions } = storage.disk;
  return {
    load: () => storage.read(() => [...subscriptions.values()].map((text) => JSON.parse(text) as StoredSubscription)),
    save: (subscription) => {
      const text = JSON.stringify(subscription);
      return storage.write(() => void subscriptions.set(subscription.id, text));
    },
    delete: (id) => storage.write(() => void subscriptions.delete(id)),
  };
}

function deadLettersOn(storage: DiskStorage): DeadLetterStore {
  const { disk } = storage;
  const fits = (letter: StoredDeadLetter & { number: number }, filter: DeadLetterFilter): boolean =>
    Object.entries(filter).every(
      ([member, wanted]) => wanted === undefined || letter[member as keyof DeadLetterFilter] === wanted,
    );
  return {
    add: (letter) => storage.write(() => void disk.deadLetters.set(disk.nextLetter++, letter)),
    find: (filter, { after = 0, limit } = {}) =>
      storage.read(() =>
        [...disk.deadLetters]
          .map(([number, letter]) => ({ ...letter, number }))
          .filter((letter) => letter.number > after && fits(letter, filter))
          .slice(0, limit),
      ),
    delete: (number) => storage.write(() => void disk.deadLetters.delete(number)),
  };
}

function notesOn(storage: DiskStorage): Notes {
  const { notes } = storage.disk;
  return {
    get: (key) => notes.get(key),
    set: ({ key, value }: Note) => storage.write(() => void notes.set(key, value)),
    delete: (key) => storage.write(() => void notes.delete(key)),
  };
}
