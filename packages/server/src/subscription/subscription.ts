import type { DeliveryMode, EventsError } from '@mcp-events/protocol';
import type { EventContext } from '../context.ts';

/** Arguments as JSON members. */
export type Arguments = Readonly<Record<string, unknown>>;

/** Who wants which events. */
export interface SubscriptionDetails {
  /** Unique among live subscriptions of this server. A stream's id lives as long as the stream. */
  readonly id: string;
  readonly name: string;
  readonly principal: string | undefined;
  /** What the client sent, the part of the subscription's identity (SUB-03). */
  readonly rawArguments: Arguments;
  /** What author code sees: validated, with the schema's defaults filled in, frozen. */
  readonly arguments: Arguments;
  /** Canonical form of {@link rawArguments}. */
  readonly argumentsKey: string;
  readonly context: EventContext;
}

/**
 * Someone's interest in one event type with one set of arguments, whatever the delivery mode. Its delivery (a stream,
 * a lease) owns it; the registry counts it, finds it and ends it.
 */
export abstract class Subscription implements SubscriptionDetails {
  abstract readonly mode: DeliveryMode;
  readonly id: string;
  readonly name: string;
  readonly principal: string | undefined;
  readonly rawArguments: Arguments;
  readonly arguments: Arguments;
  readonly argumentsKey: string;
  /** Replaced where credentials are not kept. */
  context: EventContext;
  /** Place among all subscriptions of the server in the order they came; given by the registry. */
  order = 0;
  /** Where it started: what was before is not for it. `null` where there are no positions, or it has not started. */
  startCursor: string | null = null;

  constructor(details: SubscriptionDetails) {
    this.id = details.id;
    this.name = details.name;
    this.principal = details.principal;
    this.rawArguments = details.rawArguments;
    this.arguments = details.arguments;
    this.argumentsKey = details.argumentsKey;
    this.context = details.context;
  }

  /** Why the server ended it, if it did. */
  abstract readonly terminated: EventsError | undefined;

  /** Ends delivery and tells the subscriber why, the way its mode does (TERM-01). Idempotent. */
  abstract terminate(error: EventsError): void;
}
