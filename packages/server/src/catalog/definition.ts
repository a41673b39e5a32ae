import type { DeliveryMode } from '@mcp-events/protocol';
import type { CallerInfo, EventContext } from '../context.ts';
import type { Check } from '../feed/check.ts';
import type { Retention } from '../storage/eventLog.ts';
import type { MaybePromise } from '../maybePromise.ts';
import type { Match, Transform } from '../subscription/selection.ts';
import type { SchemaInput } from './schema.ts';

/**
 * What an author says about one event type. Its events come from `emit` on the returned handle, or, with `check`, from
 * an upstream that is asked.
 */
export interface EventTypeDefinition<Input = Record<string, unknown>, Args = Input, Payload = Record<string, unknown>> {
  /** For people and models that choose what to subscribe to. Default: a sentence with the name (LIST-14). */
  readonly description?: string;
  /** Schema of the subscription's arguments. Default: any object. */
  readonly input?: SchemaInput<Input, Args>;
  /** Schema of `data`. Every event is checked against it (OCC-04). */
  readonly payload: SchemaInput<Payload, unknown>;
  /** Published with the descriptor, unchanged. */
  readonly _meta?: Readonly<Record<string, unknown>>;
  /** Delivery modes to offer, of those the source allows. Default: all of them (EMIT-02). */
  readonly delivery?: readonly DeliveryMode[];
  /**
   * Whether webhooks get the events of this type one at a time, each after the one before was acknowledged, refused for
   * good or told as lost, so that they arrive in order at receivers that do not restore it themselves (ORDER-05). Costs one
   * round trip per event, and an event that fails holds up those behind it while it is tried again. A client may ask for
   * order, or for none, with its subscription. Default false.
   */
  readonly orderedWebhooks?: boolean;
  /** Asks the upstream. Without it, events come from `emit`. */
  readonly check?: Check<Args, NoInfer<Payload>>;
  /**
   * Whether emitted events are kept for a while, so that polls and resumed streams find them. Default true. Without it
   * every cursor is `null`, and poll is not offered (OP-03).
   */
  readonly replay?: boolean;
  /** How much of the past is kept. Each member has a default. */
  readonly retention?: Partial<Retention>;
  /**
   * Argument name -> payload field: a subscription with this argument gets only events whose field equals it, or is in
   * it, or holds it, where one of them is a list. Declared here it is looked up instead of evaluated, so an emit costs
   * what it matches. Without the argument nothing is filtered.
   */
  readonly filter?: Readonly<Record<string, string>>;
  /** Whether a subscription gets an event (EMIT-04). Called after `filter`; synchronous is much faster. */
  readonly match?: Match<Args, Payload>;
  /** The copy of an event for one subscription (EMIT-05). Must not change its argument. */
  readonly transform?: Transform<Args, Payload>;
  /** Whether the caller may subscribe with these arguments (AUTH-01). Default: yes. Asked again while delivering. */
  readonly authorize?: (context: EventContext, args: Args) => MaybePromise<boolean>;
  /** Whether `events/list` shows the type to this caller (LIST-13). Default: yes. Grants nothing. */
  readonly discoverable?: (caller: CallerInfo & { readonly principal: string | undefined }) => MaybePromise<boolean>;
  /** Before the first event. Throwing refuses the subscription (HOOK-01). */
  readonly onSubscribe?: (context: EventContext, args: Args) => MaybePromise<void>;
  /** After the last event, once per `onSubscribe` that succeeded, for whatever reason it ended (HOOK-02). */
  readonly onUnsubscribe?: (context: EventContext, args: Args) => MaybePromise<void>;
  /** How soon a poll should be repeated, and how often `check` is called for streams. Default 5,000 ms. */
  readonly nextPollMs?: number;
  /** Time without a poll after which a poll subscription has ended. Default three times `nextPollMs` (HOOK-06). */
  readonly leaseMs?: number;
}

/** A definition whose types are not known any more. */
// oxlint-disable-next-line typescript/no-explicit-any -- the parameters of author functions vary by definition
export type AnyDefinition = EventTypeDefinition<any, any, any>;
