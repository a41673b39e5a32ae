import { bool, checkMembers } from '@mcp-events/protocol/options';
import type { Emission } from '../catalog/eventTypes.ts';
import type { Environment } from '../environment.ts';
import type { Storage } from '../storage/storage.ts';
import { Outbox } from './outbox.ts';
import { assertUsable } from './outboxDatabase.ts';
import type { OutboxDatabase } from './outboxDatabase.ts';
import { OutboxRelay } from './outboxRelay.ts';
import { OutboxTable } from './outboxTable.ts';
import { StorageId } from './storageId.ts';

export interface OutboxesOptions {
  readonly environment: Environment;
  readonly storage: Storage;
  readonly emission: (name: string) => Emission | undefined;
  readonly warn: (message: string) => void;
  /** A unique id that cannot be guessed. */
  readonly createId: () => string;
}

/** Options of `events.outbox(db, options)`. */
export interface OutboxOptions {
  /**
   * Takes the outbox over from another server's storage, which does not get events of it any more: for one that is gone for
   * good, with its storage. Events it moved are not moved again. Default false.
   */
  readonly takeOver?: boolean;
}

/** The outboxes of one server, one for each database. */
export class Outboxes {
  readonly #options: OutboxesOptions;
  readonly #byHandle = new Map<OutboxDatabase, Outbox>();
  readonly #relays = new Map<string, OutboxRelay>();
  #storageId: StorageId | undefined;

  constructor(options: OutboxesOptions) {
    this.#options = options;
  }

  open(db: OutboxDatabase, options: OutboxOptions = {}): Outbox {
    checkMembers<Required<OutboxOptions>>(options, { takeOver: bool }, 'the options of outbox()');
    const { takeOver = false } = options;
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
    const storageId = storage.durable ? this.#storageIdOf(storage) : undefined;
    if (takeOver) table.release();
    const { owner } = table;
    if (owner !== undefined && owner !== storageId?.value) {
      throw new TypeError(
        'the outbox in that database belongs to the storage of another server: two of them would each get some of its events. ' +
          'Give this server a database of its own; or, if the other one is gone for good with its storage, take the outbox over ' +
          'with outbox(db, { takeOver: true })',
      );
    }
    const report = (error: unknown, name?: string): void => environment.report(error, 'outbox', name);
    const relay = new OutboxRelay({
      db,
      table,
      notes: storage.notes,
      storageId,
      clock: environment.clock,
      emission,
      report,
    });
    const outbox = new Outbox(table, relay, emission, environment.observer);
    this.#relays.set(table.outboxId, relay);
    this.#byHandle.set(db, outbox);
    return outbox;
  }

  /** One for all of them. Read when it is needed: most servers have no outbox. */
  #storageIdOf({ notes }: Storage): StorageId {
    this.#storageId ??= new StorageId(notes, this.#options.createId);
    return this.#storageId;
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
