import type { Gap } from './gap.ts';
import { freezeJson } from './payload.ts';

/** What stands at one place of a feed. */
export type FeedRecord = FeedEvent | Gap;

/** An occurrence as author code sees it: unchangeable, and nothing of how it is delivered. */
export interface Occurrence<Payload = Readonly<Record<string, unknown>>> {
  /** The same for every subscriber (OCC-08). */
  readonly eventId: string;
  /** Of the event type. */
  readonly name: string;
  /** ISO 8601 with zone: when it happened (OCC-03). */
  readonly timestamp: string;
  /** Before any `transform`. */
  readonly data: Payload;
  readonly _meta?: Readonly<Record<string, unknown>> | undefined;
}

/** What an author hands in, completed: one occurrence before it has a place in a feed. */
export interface OccurrenceInput {
  readonly eventId: string;
  readonly name: string;
  /** ISO 8601 with zone: when the event happened, not when it was recorded (OCC-03). */
  readonly timestamp: string;
  /** The payload, as an object or as JSON, whichever is at hand. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  readonly dataJson?: string | undefined;
  readonly _meta?: Readonly<Record<string, unknown>> | undefined;
  /** Id of the one subscription this event is for; absent: all of them (EMIT-07). */
  readonly target?: string | undefined;
}

/**
 * One occurrence at its place in a feed. Shared by every subscription that receives it, so nobody may change its
 * members; a transform makes a copy.
 */
export class FeedEvent {
  readonly kind = 'event';
  readonly eventId: string;
  readonly name: string;
  readonly timestamp: string;
  readonly _meta: Readonly<Record<string, unknown>> | undefined;
  readonly target: string | undefined;
  /** Position after this event, `null` in feeds without replay (PUSH-06). */
  cursor: string | null;
  /** Place in the log, counted from 1; 0 outside a log. */
  position: number = 0;
  /**
   * The event's bytes on the wire up to the place where the stream's own id goes in. Made by the first stream that
   * writes the event and reused by all others. Never persisted.
   */
  frame: Uint8Array | undefined;
  /** The event's last webhook body and what it was made for. Most subscriptions need the same. Never persisted. */
  posted:
    | { readonly cursor: string | null; readonly previous: string | null | undefined; readonly body: Uint8Array }
    | undefined;
  #data: Readonly<Record<string, unknown>> | undefined;
  #dataJson: string | undefined;
  #occurrence: Occurrence | undefined;
  #metaLength: number | undefined;

  constructor(input: OccurrenceInput, cursor: string | null) {
    this.eventId = input.eventId;
    this.name = input.name;
    this.timestamp = input.timestamp;
    this._meta = input._meta;
    this.target = input.target;
    this.cursor = cursor;
    this.frame = undefined;
    this.posted = undefined;
    this.#data = input.data;
    this.#dataJson = input.dataJson;
  }

  /**
   * Read from JSON when somebody looks: thousands of retained events whose payload nobody looks at would otherwise keep
   * the garbage collector busy. Throws when what a storage gave back is damaged.
   */
  get data(): Readonly<Record<string, unknown>> {
    this.#data ??= this.#parse();
    return this.#data;
  }

  get dataJson(): string {
    this.#dataJson ??= JSON.stringify(this.#data);
    return this.#dataJson;
  }

  /** What it costs to hold, about: payload and metadata as JSON, in UTF-16 units. */
  get jsonLength(): number {
    if (this._meta === undefined) return this.dataJson.length;
    this.#metaLength ??= JSON.stringify(this._meta).length;
    return this.dataJson.length + this.#metaLength;
  }

  /** For the author's functions, one for all of their calls. Throws where `data` does. */
  get occurrence(): Occurrence {
    if (this.#occurrence === undefined) {
      const { eventId, name, timestamp, data, _meta } = this;
      const visible = { eventId, name, timestamp, data };
      this.#occurrence = freezeJson(_meta === undefined ? visible : { ...visible, _meta });
    }
    return this.#occurrence;
  }

  #parse(): Record<string, unknown> {
    try {
      return JSON.parse(this.#dataJson ?? '{}') as Record<string, unknown>;
    } catch {
      // What the engine says of a failure quotes the text, and payloads are not for logs.
      throw new TypeError(
        `the stored payload of event ${JSON.stringify(this.eventId)} of ${this.name} is damaged: it is no JSON. ` +
          'Restore a backup of the storage',
      );
    }
  }
}
