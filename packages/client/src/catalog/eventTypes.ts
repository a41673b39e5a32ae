import { type EventsError, type EventTypeDescriptor, eventTypeSchema, Methods, notFound } from '@mcp-events/protocol';
import type { Connection } from '../connection/connection.ts';
import { EventsClientError } from '../errors.ts';
import { estimatedSize } from '../subscription/receivedEvent.ts';

/** A list longer than this is taken for a server that never ends it. */
const MAX_PAGES = 1_000;

/** More than anybody offers; each is a schema or two, kept for the life of the client. */
const MAX_TYPES = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;

/** The server's event types, read once and again on demand. */
export class EventTypes {
  readonly #connection: Connection;
  readonly #onWarning: (message: string) => void;
  #known: Promise<EventTypeDescriptor[]> | undefined;
  #last: EventTypeDescriptor[] | undefined;
  /** Called after each reading, whoever asked for it. */
  readonly onRead: Set<() => void> = new Set();

  constructor(connection: Connection, onWarning: (message: string) => void) {
    this.#connection = connection;
    this.#onWarning = onWarning;
  }

  /** All types, if the last reading succeeded. */
  get last(): EventTypeDescriptor[] | undefined {
    return this.#last;
  }

  /** All types, as read last. */
  async list(): Promise<EventTypeDescriptor[]> {
    return this.#known ?? this.refresh();
  }

  /** All types, read now. */
  refresh(): Promise<EventTypeDescriptor[]> {
    const reading = this.#read();
    this.#known = reading;
    reading.then(
      (types) => {
        if (this.#known === reading) this.#last = types;
        for (const tell of this.onRead) tell();
      },
      () => {
        if (this.#known === reading) this.#known = this.#last = undefined;
      },
    );
    return reading;
  }

  /** One type; what is not in the list read last is looked for once more. */
  async find(name: string): Promise<EventTypeDescriptor | undefined> {
    const isNamed = (type: EventTypeDescriptor): boolean => type.name === name;
    if (this.#known !== undefined) {
      const known = (await this.#known).find(isNamed);
      if (known !== undefined) return known;
    }
    return (await this.refresh()).find(isNamed);
  }

  async #read(): Promise<EventTypeDescriptor[]> {
    const types: EventTypeDescriptor[] = [];
    // LIST-04: opaque, and only its absence ends the list; the empty string is a cursor.
    let cursor: string | undefined;
    let bytes = 0;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const result = await this.#connection.request(Methods.list, cursor === undefined ? {} : { cursor });
      const { events, nextCursor } = result;
      if (!Array.isArray(events)) {
        throw new EventsClientError(
          'MALFORMED_ANSWER',
          `The server's answer to ${Methods.list} has no "events" array.`,
        );
      }
      for (const entry of events) {
        bytes += estimatedSize(entry);
        if (types.length >= MAX_TYPES || bytes > MAX_BYTES) throw tooLong();
        const type = eventTypeSchema.safeParse(entry);
        if (type.success) types.push(type.data);
        else this.#onWarning(`Ignored an entry of ${Methods.list} that is not an event type.`);
      }
      if (typeof nextCursor !== 'string') return types;
      if (nextCursor === cursor) break;
      cursor = nextCursor;
    }
    throw new EventsClientError(
      'MALFORMED_ANSWER',
      `The server's ${Methods.list} does not end: it repeats a page, or has more than ${MAX_PAGES}.`,
    );
  }
}

function tooLong(): EventsClientError {
  return new EventsClientError(
    'MALFORMED_ANSWER',
    `The server's ${Methods.list} has more than ${MAX_TYPES} event types, or more than ${MAX_BYTES} bytes of them.`,
  );
}

/** Types for the application, which may do with them what it likes. */
export function ownTypes(types: readonly EventTypeDescriptor[]): EventTypeDescriptor[] {
  return types.map((type) => ({ ...type, delivery: [...type.delivery] }));
}

/** What is wrong with the name of a type that is not listed. */
export function unknownType(name: string): EventsError {
  return notFound('event', `The server has no event type "${name}".`);
}
