import type { EmitOptions, EventHandle } from '../catalog/eventHandle.ts';
import { checkEmitOptions } from '../catalog/emitter.ts';
import type { Emission } from '../catalog/eventTypes.ts';
import type { Observer } from '../observability/observer.ts';
import type { OutboxRelay } from './outboxRelay.ts';
import type { OutboxTable } from './outboxTable.ts';

/** An event that was added and cannot be emitted: its type or its schema has changed meanwhile, for example. */
export interface RefusedEvent {
  /** Of the event type. */
  readonly name: string;
  readonly eventId: string;
  /** ISO 8601: when the event happened. */
  readonly timestamp: string;
  /** The payload as JSON, as it was added. */
  readonly dataJson: string;
  /** What was wrong with it. */
  readonly reason: string;
  /** ISO 8601. */
  readonly refusedAt: string;
}

/** An event that will be emitted when its transaction is committed. */
export interface AddedEvent {
  /** The one that was given, or a new one. */
  readonly eventId: string;
}

/**
 * Events that are written in the transaction of the change they tell of, in the author's own SQLite database: both are
 * stored, or neither. Once committed they reach the log in the order of their commits, each exactly once if the log's
 * storage is durable, and are delivered like any other.
 */
export class Outbox {
  readonly #table: OutboxTable;
  readonly #relay: OutboxRelay;
  readonly #emission: (name: string) => Emission | undefined;

  readonly #observer: Observer | undefined;

  /** Use `events.outbox(db)`. */
  constructor(
    table: OutboxTable,
    relay: OutboxRelay,
    emission: (name: string) => Emission | undefined,
    observer: Observer | undefined,
  ) {
    this.#observer = observer;
    this.#table = table;
    this.#relay = relay;
    this.#emission = emission;
  }

  /**
   * Adds an event, within the transaction that is open on the same handle, or at once without one. After the commit
   * nothing is left to do. Synchronous.
   *
   * @param type the handle that `define` returned, whose payload type `data` is held to; or the event type's name
   * @returns the event's id
   * @throws TypeError for what `emit` would refuse as well, so that the change can be rolled back: an unknown event type,
   * one without a log (`check`, `replay: false`), a payload that violates the schema or is too large.
   */
  add<Payload>(
    type: Pick<EventHandle<never, never, Payload>, 'name' | 'emit'>,
    data: NoInfer<Payload>,
    options?: EmitOptions,
  ): AddedEvent;
  add(name: string, data: unknown, options?: EmitOptions): AddedEvent;
  add(type: string | { readonly name: string }, data: unknown, options: EmitOptions = {}): AddedEvent {
    const name = typeof type === 'string' ? type : type.name;
    checkEmitOptions(options, `an event of ${name}`);
    const emission = this.#emission(name);
    if (emission === undefined) {
      throw new TypeError(`there is no event type ${JSON.stringify(name)}; define it before events are added`);
    }
    const _meta = this.#observer === undefined ? options._meta : this.#observer.adding(name, options._meta);
    const { input } = emission.prepare(data, { ...options, _meta });
    if (!emission.hasLog) {
      throw new TypeError(`${name} keeps no log (replay: false), so nothing can say whether an event is in it`);
    }
    this.#table.add(input);
    this.#relay.wake();
    return { eventId: input.eventId };
  }

  /**
   * Resolves when everything that is committed is in the log or refused; not while a transaction is open on the handle.
   * Rejects with what the log or the database says when it cannot be stored now; it is tried again all the same.
   */
  flush(): Promise<void> {
    return this.#relay.flush();
  }

  /** Events that are not in the log yet; with those of a transaction that is open on the handle. */
  get waiting(): number {
    return this.#table.waiting;
  }

  /** Events that were kept aside, so that they hold up no others, oldest first. The last 1,000 are kept. */
  refused(): RefusedEvent[] {
    return this.#table.refused().map(({ name, event_id: eventId, timestamp, data, reason, refused_at: refusedAt }) => ({
      name,
      eventId,
      timestamp,
      dataJson: data,
      reason,
      refusedAt,
    }));
  }

  /**
   * Adds refused events again, after everything that waits: what was wrong with them was mended. Returns how many. Throws
   * while a transaction is open on the handle.
   */
  retryRefused(): number {
    const count = this.#table.addAgain();
    this.#relay.wake();
    return count;
  }
}
