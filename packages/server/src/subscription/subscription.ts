import type { DeliveryMode, EventsError } from '@mcp-events/protocol';
import type { EventContext } from '../context.ts';

/** Arguments as JSON members. */
export type Arguments = Readonly<Record<string, unknown>>;

/**
 * Someone's interest in one event type with one set of arguments, whatever the delivery mode. Its delivery (a stream,
 * a lease) owns it; the registry counts it, runs its hooks and ends it.
 */
export interface Subscription {
  /** Unique among live subscriptions of this server. A stream's id lives as long as the stream. */
  readonly id: string;
  readonly mode: DeliveryMode;
  readonly name: string;
  readonly principal: string | undefined;
  /** What the client sent, the part of the subscription's identity (SUB-03). */
  readonly rawArguments: Arguments;
  /** What author code sees: validated, with the schema's defaults filled in. */
  readonly arguments: Arguments;
  /** Canonical form of {@link rawArguments}. */
  readonly argumentsKey: string;
  readonly context: EventContext;
  /** Ends delivery and tells the subscriber why, the way its mode does (TERM-01). Idempotent. */
  terminate(error: EventsError): void;
}
