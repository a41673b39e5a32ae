import type { Clock, EventStorage, StoredSubscription, SubscriptionStore } from '@mcp-events/server';
import { ProcessLog } from './processLog.ts';

/** What one run of the server works on. */
export interface RunStorage {
  readonly events: EventStorage;
  readonly subscriptions: SubscriptionStore;
}

/** Stands for a database: emitted events and webhook subscriptions outlive restarts of the server, though not the process. */
export class ProcessStorage {
  readonly #clock: Clock;
  readonly #logs = new Map<string, ProcessLog>();
  readonly #subscriptions = new Map<string, StoredSubscription>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The storage for the next run. The run before it must have ended. */
  open(): RunStorage {
    const opened = new Set<string>();
    return {
      events: {
        openLog: (name, retention) => {
          const kept = this.#logs.get(name);
          const isFirst = !opened.has(name);
          opened.add(name);
          if (isFirst && kept !== undefined) return kept;
          const log = new ProcessLog(retention, this.#clock);
          // Defined anew within a run, a type has no past, and maybe a schema that the next run does not know.
          if (isFirst) this.#logs.set(name, log);
          else this.#logs.delete(name);
          return log;
        },
      },
      subscriptions: {
        load: () => [...this.#subscriptions.values()],
        save: (subscription) => void this.#subscriptions.set(subscription.id, subscription),
        delete: (id) => void this.#subscriptions.delete(id),
      },
    };
  }
}
