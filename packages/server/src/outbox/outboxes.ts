import type { Emission } from '../catalog/eventTypes.ts';
import type { Environment } from '../environment.ts';
import type { Storage } from '../storage/storage.ts';
import { Outbox } from './outbox.ts';
import { assertUsable } from './outboxDatabase.ts';
import type { OutboxDatabase } from './outboxDatabase.ts';
import { OutboxRelay } from './outboxRelay.ts';
import { OutboxTable } from './outboxTable.ts';

export interface OutboxesOptions {
  readonly environment: Environment;
  readonly storage: Storage;
  readonly emission: (name: string) => Emission | undefined;
  readonly warn: (message: string) => void;
}

/** The outboxes of one server, one for each database. */
export class Outboxes {
  readonly #options: OutboxesOptions;
  readonly #byHandle = new Map<OutboxDatabase, Outbox>();
  readonly #relays = new Map<string, OutboxRelay>();

  constructor(options: OutboxesOptions) {
    this.#options = options;
  }

  open(db: OutboxDatabase): Outbox {
    const { environment, storage, emission, warn } = this.#options;
    if (environment.closed) throw new TypeError('an outbox was opened after close()');
    const known = this.#byHandle.get(db);
    if (known !== undefined) return known;
    assertUsable(db);
    const table = new OutboxTable(db);
    if (this.#relays.has(table.outboxId)) {
      // Two of them would both move what they find.
      throw new TypeError('this server has an outbox in that database already, by another handle; use that one');
    }
    if (!storage.durable) {
      warn('the outbox moves events into storage that does not survive the process; give Events durable storage');
    }
    const report = (error: unknown, name?: string): void => environment.report(error, 'outbox', name);
    const relay = new OutboxRelay({
      db,
      table,
      notes: storage.notes,
      clock: environment.clock,
      emission,
      report,
    });
    const outbox = new Outbox(table, relay, emission, environment.observer);
    this.#relays.set(table.outboxId, relay);
    this.#byHandle.set(db, outbox);
    return outbox;
  }

  /** Events that wait in them, as far as their databases can say. */
  get waiting(): number {
    let waiting = 0;
    for (const outbox of this.#byHandle.values()) {
      try {
        waiting += outbox.waiting;
      } catch {
        // Its database is closed, or busy.
      }
    }
    return waiting;
  }

  /** An event type is offered, which events may have waited for. */
  wake(): void {
    for (const relay of this.#relays.values()) relay.wake();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#relays.values()].map((relay) => relay.close()));
  }
}
