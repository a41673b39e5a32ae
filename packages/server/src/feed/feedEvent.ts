/** What an author hands in, completed: one occurrence before it has a place in a feed. */
export interface OccurrenceInput {
  readonly eventId: string;
  readonly name: string;
  /** ISO 8601 with zone: when the event happened, not when it was recorded (OCC-03). */
  readonly timestamp: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** `data` as JSON, where it is known already. */
  readonly dataJson?: string | undefined;
  readonly _meta?: Readonly<Record<string, unknown>> | undefined;
  /** Id of the one subscription this event is for; absent: all of them (EMIT-07). */
  readonly target?: string | undefined;
}

/**
 * One occurrence at its place in a feed. Shared by every subscription that receives it, so nobody may change its
 * members; a transform makes a copy.
 */
export class FeedEvent implements OccurrenceInput {
  readonly eventId: string;
  readonly name: string;
  readonly timestamp: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly _meta: Readonly<Record<string, unknown>> | undefined;
  readonly target: string | undefined;
  /** Position after this event, `null` in feeds without replay (PUSH-06). */
  cursor: string | null;
  /** Place in the log, counted from 1; 0 outside a log. */
  position: number = 0;
  /** Why nobody may get this event (its payload breaks the schema); it is told as lost instead (OCC-04). */
  defect: Error | undefined;
  /** Dropped once {@link frame} holds it. */
  dataJson: string | undefined;
  /**
   * The event's bytes on the wire up to the place where the stream's own id goes in. Made by the first stream that
   * writes the event and reused by all others. Never persisted.
   */
  frame: Uint8Array | undefined;

  constructor(input: OccurrenceInput, cursor: string | null) {
    this.eventId = input.eventId;
    this.name = input.name;
    this.timestamp = input.timestamp;
    this.data = input.data;
    this._meta = input._meta;
    this.target = input.target;
    this.cursor = cursor;
    this.dataJson = input.dataJson;
    this.defect = undefined;
    this.frame = undefined;
  }
}
