import type { DeadLetterStore, EventLog, Storage, StoredSubscription, SubscriptionStore } from '@mcp-events/server';
import { memoryStorage } from '@mcp-events/server';
import type { Clock, Retention } from '@mcp-events/server';
import { MemoryLog } from '../../src/storage/memoryLog.ts';

type Operation = 'load' | 'save' | 'delete';

/** Stored subscriptions that outlive the servers of a test, as JSON text. */
export class TestSubscriptionStore implements SubscriptionStore {
  readonly #records = new Map<string, string>();
  /** Every call, with the id it was about. */
  readonly calls: string[] = [];
  /** Operations that fail at the moment. */
  readonly failing = new Set<Operation>();
  /** Makes writes wait for it. */
  writing: Promise<void> = Promise.resolve();

  async load(): Promise<StoredSubscription[]> {
    await this.#call('load');
    return this.records;
  }

  async save(record: StoredSubscription): Promise<void> {
    await this.#call('save', record.id);
    this.#records.set(record.id, JSON.stringify(record));
  }

  async delete(id: string): Promise<void> {
    await this.#call('delete', id);
    this.#records.delete(id);
  }

  /** What is stored now. */
  get records(): StoredSubscription[] {
    return [...this.#records.values()].map((text) => JSON.parse(text) as StoredSubscription);
  }

  /** Changes what is stored, or adds to it, whatever form it has. */
  put(id: string, record: unknown): void {
    this.#records.set(id, JSON.stringify(record));
  }

  async #call(operation: Operation, id = ''): Promise<void> {
    this.calls.push(`${operation} ${id}`.trim());
    if (operation !== 'load') await this.writing;
    if (this.failing.has(operation)) throw new Error(`the store cannot ${operation}`);
  }
}

/** A ring of its own, with nothing around it. */
export function memoryLog(clock: Clock, retention: Partial<Retention> = {}): MemoryLog {
  return new MemoryLog({
    retention: { maxAgeMs: 1e9, maxCount: 100, maxBytes: 1e9, ...retention },
    clock,
    createEpoch: () => 'run',
    keepNote: () => {},
  });
}

/** Storage that outlives the servers of a test. */
export function keptStorage(clock: Clock): Storage {
  const logs = new Map<string, EventLog>();
  const storage = memoryStorage({ clock });
  const openLog: Storage['openLog'] = (name, retention) => {
    const log = logs.get(name) ?? storage.openLog(name, retention);
    log.close = () => {};
    logs.set(name, log);
    return log;
  };
  return Object.assign(Object.create(storage) as Storage, { openLog });
}

/** Storage that claims to be durable: subscriptions are in `store`, everything else where `rest` has it. */
export function durableStorage(store: SubscriptionStore, rest: Storage): Storage {
  const { notes, deadLetters }: { notes: Storage['notes']; deadLetters: DeadLetterStore } = rest;
  const openLog: Storage['openLog'] = (name, retention) => rest.openLog(name, retention);
  return { durable: true, subscriptions: store, notes, deadLetters, openLog, close: () => rest.close() };
}

/** Storage that claims to be durable, for one server. */
export function memoryStorageThatLasts(): Storage {
  return durableStorage(new TestSubscriptionStore(), memoryStorage());
}
