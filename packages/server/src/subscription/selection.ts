import type { Clock } from '../clock.ts';
import type { EventContext } from '../context.ts';
import { FeedEvent } from '../occurrence/feedEvent.ts';
import type { Occurrence } from '../occurrence/feedEvent.ts';
import { snapshotPayload } from '../occurrence/payload.ts';
import { isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';
import { withTimeLimit } from '../timeLimit.ts';
import { passesFilter } from './filterIndex.ts';
import type { Filter } from './filterIndex.ts';
import type { Arguments, SubscriptionDetails } from './subscription.ts';

/**
 * Whether a subscription gets an event, decided by the author; called once for each event and subscription that the filter
 * lets through. Where it throws, or takes longer than the time limit of author functions, the subscriber is told of a gap
 * instead (EMIT-04).
 */
export type Match<Args = Arguments, Payload = Readonly<Record<string, unknown>>> = (
  context: EventContext,
  event: Occurrence<Payload>,
  args: Args,
) => MaybePromise<boolean>;

/**
 * The payload of an event as one subscription is to get it: a new object, or what it was given. It is held to the payload
 * schema. Where it throws, or takes too long, the subscriber is told of a gap instead (EMIT-05).
 */
export type Transform<Args = Arguments, Payload = Readonly<Record<string, unknown>>> = (
  context: EventContext,
  event: Occurrence<Payload>,
  args: Args,
) => MaybePromise<Payload>;

/** What decides which subscription gets which events, and in what form. */
export interface SelectionRules {
  readonly name: string;
  readonly filter: Filter;
  readonly match: Match | undefined;
  readonly transform: Transform | undefined;
  /** Throws what is wrong with a payload. */
  readonly validate: (data: unknown) => void;
}

/**
 * Decides for one event whether a subscription gets it, and shapes its copy: target, filter, `match`, then `transform`
 * (EMIT-04, EMIT-05). Synchronous wherever the author's functions are.
 */
export class Selection {
  readonly #clock: Clock;
  readonly #timeLimitMs: number;
  readonly #maxPayloadBytes: number;

  constructor(clock: Clock, timeLimitMs: number, maxPayloadBytes: number) {
    this.#clock = clock;
    this.#timeLimitMs = timeLimitMs;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /**
   * The event to deliver, or `undefined` when it is not for this subscription. Throws, or rejects, when author code
   * failed: then nobody knows, and the subscriber must be told of a possible loss.
   *
   * @param indexed The filter was applied by look-up already.
   */
  select(
    rules: SelectionRules,
    subscription: SubscriptionDetails,
    event: FeedEvent,
    indexed: boolean,
  ): MaybePromise<FeedEvent | undefined> {
    if (event.target !== undefined && event.target !== subscription.id) return undefined;
    // The common case, decided without a further call: it is asked for each event and each subscription.
    const { match, transform } = rules;
    if (indexed && match === undefined && transform === undefined) return event;
    if (!indexed && !passesFilter(rules.filter, subscription.arguments, event)) return undefined;
    if (match === undefined) return this.#transform(rules, subscription, event);
    const matched = match(subscription.context, event.occurrence, subscription.arguments);
    if (!isPromise(matched)) return this.#matched(matched, rules, subscription, event);
    const limited = withTimeLimit(this.#clock, this.#timeLimitMs, `match of ${rules.name}`, matched);
    return limited.then((answer) => this.#matched(answer, rules, subscription, event));
  }

  #matched(
    answer: unknown,
    rules: SelectionRules,
    subscription: SubscriptionDetails,
    event: FeedEvent,
  ): MaybePromise<FeedEvent | undefined> {
    if (typeof answer !== 'boolean')
      throw new TypeError(`match of ${rules.name} returned ${typeof answer}, not boolean`);
    return answer ? this.#transform(rules, subscription, event) : undefined;
  }

  #transform(rules: SelectionRules, subscription: SubscriptionDetails, event: FeedEvent): MaybePromise<FeedEvent> {
    if (rules.transform === undefined) return event;
    const data = rules.transform(subscription.context, event.occurrence, subscription.arguments);
    if (!isPromise(data)) return this.#transformed(data, rules, event);
    // Read in the moment it is there: an author may keep it, and go on with it (EMIT-24).
    const shaped = Promise.resolve(data).then((answer) => this.#transformed(answer, rules, event));
    return withTimeLimit(this.#clock, this.#timeLimitMs, `transform of ${rules.name}`, shaped);
  }

  #transformed(data: Readonly<Record<string, unknown>>, rules: SelectionRules, event: FeedEvent): FeedEvent {
    // An unchanged event keeps its shared serialisation.
    if (data === event.data) return event;
    const { eventId, name, timestamp, _meta, target } = event;
    const payload = snapshotPayload(data, `what transform of ${rules.name} returned`, this.#maxPayloadBytes);
    rules.validate(payload.data);
    const copy = { eventId, name, timestamp, dataJson: payload.json, _meta, target };
    return new FeedEvent(copy, event.cursor);
  }
}
