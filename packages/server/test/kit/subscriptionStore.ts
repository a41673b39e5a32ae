import type { EventStorage, StoredSubscription, SubscriptionStore } from '@mcp-events/server';
import { MemoryLog } from '../../src/log/memoryLog.ts';
import type { FakeClock } from './fakeClock.ts';

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

/** Logs that outlive the servers of a test. */
export function keptStorage(clock: FakeClock): EventStorage {
  const logs = new Map<string, MemoryLog>();
  return {
    openLog: (name, retention) => {
      const log = logs.get(name) ?? new KeptLog(`kept-${logs.size}`, retention, clock);
      logs.set(name, log);
      return log;
    },
  };
}

class KeptLog extends MemoryLog {
  override close(): void {}
}
