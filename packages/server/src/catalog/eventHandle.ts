import type { EventsError } from '@mcp-events/protocol';
import type { EventTypeDefinition } from './definition.ts';

/** Details of an emitted event; each has a default. */
export interface EmitOptions {
  /** The upstream's stable id (OCC-07). Default: a random one, the same for every subscriber (OCC-08). */
  readonly eventId?: string;
  /** When it happened: a `Date`, or ISO 8601 with a zone (OCC-03). Default: now. */
  readonly timestamp?: string | Date;
  /** Id of the only subscription that gets it (EMIT-07). Default: everyone. */
  readonly target?: string;
  /** Metadata outside the payload schema (OCC-09). */
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** What became of an emit. */
export interface EmittedEvent {
  /** The one that was given, or a new one. */
  readonly eventId: string;
  /** Position after the event, `null` for a type without replay. */
  readonly cursor: string | null;
}

/** An event type on offer, in the hands of its author. */
export interface EventHandle<Input = Record<string, unknown>, Args = Input, Payload = Record<string, unknown>> {
  /** As it was defined. */
  readonly name: string;
  /**
   * Puts an event into the log and on its way. Settles when it is in the log, as durably as the log is; awaiting it
   * also keeps an author from running ahead of a large fan-out.
   *
   * Repeating an `eventId` that is still retained with the same payload changes nothing, so an emit can be retried.
   *
   * Rejects with a `TypeError` when the payload violates the schema (OCC-04) or is too large, when the type was removed
   * or has a `check`, and when the `eventId` is retained with another payload. Then nobody receives anything.
   */
  emit(data: Payload, options?: EmitOptions): Promise<EmittedEvent>;
  /** For types with `check`: something changed upstream, look now. Throws a `TypeError` for emitted types. */
  wake(): void;
  /**
   * For emitted types: events are known to have been missed. Tells every subscriber of a gap (PUSH-08, ENV-03), which stands
   * in the order like an event: after what was emitted before this call, ahead of what is emitted later, and nothing that is
   * retained is forgotten (EMIT-17). Resolves with the position after the gap, `null` for a type without replay. Rejects with
   * a `TypeError` for types with `check`.
   */
  reportLoss(): Promise<string | null>;
  /**
   * For emitted types: the source fails at the moment. Tells live streams, which go on (PUSH-07). Throws a `TypeError` for
   * types with `check`, and for an error that is none of this extension's, such as `internalError(message)` makes: it is told
   * to subscribers.
   */
  reportFailure(error: EventsError): void;
  /**
   * Replaces the definition. An additive change of the schemas ends nothing (TERM-04); a breaking one ends the live
   * subscriptions with Unsupported (TERM-03) and forgets the past. A changed `retention` takes effect with the next
   * breaking change only. Throws a `TypeError` for an unusable definition and
   * for a change between emitted, checked and not replayed.
   */
  update(definition: EventTypeDefinition<Input, Args, Payload>): void;
  /** Withdraws the type and ends its subscriptions with NotFound (TERM-02). Idempotent. */
  remove(): void;
}
