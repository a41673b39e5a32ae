import { checkMembers, func } from '@mcp-events/protocol/options';
import { checkClock, systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import { RUN_ID_LENGTH } from '../countedIds.ts';
import type { DeadLetterStore } from './deadLetterStore.ts';
import type { EventLog, Note, Retention } from './eventLog.ts';
import { MemoryDeadLetters } from './memoryDeadLetters.ts';
import { MemoryLog } from './memoryLog.ts';
import type { Notes, Storage } from './storage.ts';
import type { StoredSubscription, SubscriptionStore } from './subscriptionStore.ts';

/** Options of {@link memoryStorage}. */
export interface MemoryStorageOptions {
  /** Tells how old an event is. Default: the system's. */
  readonly clock?: Clock;
  /** A name that no other past has. Default: random. */
  readonly createEpoch?: () => string;
}

/**
 * Storage that lives and dies with the process: what a server uses that is given none.
 *
 * @throws TypeError for an option that does not exist or cannot be used
 */
export function memoryStorage(options: MemoryStorageOptions = {}): Storage {
  checkMembers<Required<MemoryStorageOptions>>(
    options,
    { clock: checkClock, createEpoch: func },
    'the options of memoryStorage',
  );
  return new MemoryStorage(options);
}

class MemoryStorage implements Storage {
  readonly durable = false;
  readonly subscriptions: SubscriptionStore = new MemorySubscriptions();
  readonly deadLetters: DeadLetterStore = new MemoryDeadLetters();
  readonly notes = new MemoryNotes();
  readonly #clock: Clock;
  readonly #createEpoch: () => string;

  constructor({ clock = systemClock, createEpoch = randomEpoch }: MemoryStorageOptions) {
    this.#clock = clock;
    this.#createEpoch = createEpoch;
  }

  openLog(_name: string, retention: Retention): EventLog {
    return new MemoryLog({
      retention,
      clock: this.#clock,
      createEpoch: this.#createEpoch,
      keepNote: (note) => this.notes.set(note),
    });
  }

  close(): void {}
}

class MemorySubscriptions implements SubscriptionStore {
  readonly #records = new Map<string, StoredSubscription>();

  load(): StoredSubscription[] {
    return [...this.#records.values()];
  }

  save(subscription: StoredSubscription): void {
    this.#records.set(subscription.id, subscription);
  }

  delete(id: string): void {
    this.#records.delete(id);
  }
}

class MemoryNotes implements Notes {
  readonly #values = new Map<string, string>();

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  set({ key, value }: Note): void {
    this.#values.set(key, value);
  }

  delete(key: string): void {
    this.#values.delete(key);
  }
}

function randomEpoch(): string {
  return crypto.randomUUID().replaceAll('-', '').slice(0, RUN_ID_LENGTH);
}
