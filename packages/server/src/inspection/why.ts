import { isEventsError } from '@mcp-events/protocol';
import type { EventType } from '../catalog/eventType.ts';
import type { Core } from '../core.ts';
import { PushSession } from '../delivery/push/pushSession.ts';
import { WebhookSubscription } from '../delivery/webhook/webhookSubscription.ts';
import { LogFeed } from '../feed/logFeed.ts';
import { errorFields } from '../observability/logger.ts';
import type { FeedEvent } from '../occurrence/feedEvent.ts';
import { readDeadLetters } from '../storage/readDeadLetters.ts';
import type { Storage } from '../storage/storage.ts';
import { failingArgument, passesFilter } from '../subscription/filterIndex.ts';
import { PollSubscription } from '../subscription/pollSubscription.ts';
import type { Subscription } from '../subscription/subscription.ts';
import type { EndedSubscriptions } from './endedSubscriptions.ts';
import type { Explanation } from './explanation.ts';
import { findEvent } from './findEvent.ts';

export interface WhyOptions {
  readonly core: Core;
  readonly storage: Storage;
  readonly ended: EndedSubscriptions;
}

/** Finds out what became of one event for one subscription: what is known for certain first. */
export async function why(options: WhyOptions, subscriptionId: string, authoredId: string): Promise<Explanation> {
  const { core } = options;
  const eventId = core.eventIdOf(authoredId);
  const abandoned = await deadLetter(options, subscriptionId, eventId);
  const subscription = core.registry.get(subscriptionId);
  const delivery = subscription instanceof WebhookSubscription ? laneSays(subscription, eventId) : undefined;
  // One that is sent again is on its way, and a dead letter still.
  if (delivery !== undefined) return delivery;
  if (abandoned !== undefined) return abandoned;
  if (subscription === undefined) return gone(options, subscriptionId);
  const type = core.catalog.get(subscription.name);
  if (!(type?.feed instanceof LogFeed)) {
    return {
      verdict: 'notKept',
      message: `${subscription.name} keeps no log: what is not on its way and no dead letter is not known any more`,
    };
  }
  const { feed } = type;
  const { event, oldest, complete } = await findEvent(core.clock, feed, eventId);
  if (event === undefined) {
    if (complete) return { verdict: 'unknownEvent', message: 'there never was such an event of this type' };
    return {
      verdict: 'notRetained',
      keptSince: oldest?.timestamp ?? null,
      message: 'no event that is kept has this id: there never was one, or retention has removed it',
    };
  }
  return (
    startSays(feed, subscription, event) ??
    (await selectionSays(core, type, subscription, event)) ??
    (await positionSays(options, feed, subscription, event)) ??
    (await accessSays(core, type, subscription)) ??
    notReached(feed, subscription, event)
  );
}

async function deadLetter(
  { core, storage }: WhyOptions,
  subscriptionId: string,
  eventId: string,
): Promise<Explanation | undefined> {
  const found = await storage.deadLetters.find({ subscriptionId, eventId });
  const letter = readDeadLetters(found, core.report).at(-1);
  if (letter === undefined) return undefined;
  const { number, attempts, reason, abandonedAt } = letter;
  const message = `given up after ${attempts} attempts (${reason}), kept as dead letter ${number}`;
  return { verdict: 'abandoned', number, attempts, reason, abandonedAt, message };
}

function gone({ core, ended }: WhyOptions, id: string): Explanation {
  if (core.hasStored(id)) {
    return {
      verdict: 'notRestored',
      message: 'the subscription is stored, and did not come back yet: its event type is not offered, or it fails',
    };
  }
  const known = ended.get(id);
  if (known === undefined) {
    return { verdict: 'unknownSubscription', message: 'there is no such subscription, nor was one lately' };
  }
  const { endedAtMs, reason } = known;
  const endedAt = isoTime(endedAtMs);
  const cause = reason === undefined ? 'by its client, or because it lapsed' : `with ${reason}`;
  const message = `the subscription ended at ${endedAt}, ${cause}`;
  return { verdict: 'ended', endedAt, ...(reason === undefined ? {} : { reason }), message };
}

/** What a lane holds, and what it remembers. */
function laneSays({ lane }: WebhookSubscription, eventId: string): Explanation | undefined {
  for (const delivery of lane.deliveries) {
    const { event, state, attempts, lastError = null } = delivery;
    if (event?.eventId !== eventId) continue;
    if (lane.suspendedAtMs !== undefined) return suspended(lane.suspendedAtMs, lastError);
    const nextAttemptAtMs = lane.nextAttemptAtMs(delivery);
    const nextAttemptAt = nextAttemptAtMs === undefined ? null : isoTime(nextAttemptAtMs);
    const progress = { attempts, nextAttemptAt, lastError };
    const tried = attempts === 0 ? 'not tried yet' : `tried ${attempts} times`;
    if (state === 'queued' || state === 'sending') {
      return { verdict: 'outstanding', state, ...progress, message: `${tried}, ${state} now` };
    }
    const message = `${tried}, again at ${nextAttemptAt ?? 'an unknown time'}`;
    return { verdict: 'outstanding', state: 'retrying', ...progress, message };
  }
  const refusal = lane.refusals.findLast((candidate) => candidate.eventId === eventId);
  if (refusal === undefined) return undefined;
  const { reason, atMs } = refusal;
  const message = reason === 'refused' ? 'the endpoint answered 410 or 413' : 'its body is larger than a POST may be';
  return { verdict: 'refused', reason, at: isoTime(atMs), message };
}

function suspended(
  sinceMs: number,
  lastError: Extract<Explanation, { verdict: 'suspended' }>['lastError'],
): Explanation {
  const since = isoTime(sinceMs);
  return { verdict: 'suspended', since, lastError, message: `suspended since ${since}, until its client comes back` };
}

/** Whether the event is for this subscription: asks the author's functions, as delivery does. */
async function selectionSays(
  core: Core,
  { compiled: { rules } }: EventType,
  subscription: Subscription,
  event: FeedEvent,
): Promise<Explanation | undefined> {
  if (event.target !== undefined && event.target !== subscription.id) {
    return { verdict: 'otherTarget', message: 'it was emitted for another subscription alone' };
  }
  const { filter } = rules;
  if (!passesFilter(filter, subscription.arguments, event)) {
    const argument = failingArgument(filter, subscription.arguments, event) as string;
    const field = filter[argument] as string;
    return {
      verdict: 'filtered',
      argument,
      field,
      message: `the argument ${argument} does not fit the event's ${field}`,
    };
  }
  try {
    if ((await core.selection.select(rules, subscription, event, true)) !== undefined) return undefined;
    return { verdict: 'notMatched', message: `match of ${rules.name} says no` };
  } catch (error) {
    const cause = errorFields(error).message;
    return { verdict: 'undecidable', message: `match or transform of ${rules.name} fails: ${cause}` };
  }
}

/** What was before it began is not for a subscription, whatever it is. */
function startSays(feed: LogFeed, subscription: Subscription, event: FeedEvent): Explanation | undefined {
  const isRestored = subscription instanceof WebhookSubscription && subscription.restored;
  if (isRestored || !isPast(feed, event, subscription.startCursor)) return undefined;
  return { verdict: 'beforeStart', message: 'it lies before the position where the subscription started' };
}

/** Where the subscription is, compared with where the event is. */
async function positionSays(
  { storage }: WhyOptions,
  feed: LogFeed,
  subscription: Subscription,
  event: FeedEvent,
): Promise<Explanation | undefined> {
  if (subscription instanceof WebhookSubscription) {
    if (isPast(feed, event, subscription.startCursor)) {
      return {
        verdict: 'delivered',
        message:
          'an earlier run of the server was past it: it was acknowledged or refused then, or lies before the start of the subscription',
      };
    }
    const settled = isPast(feed, event, subscription.position) || subscription.lane.isSettledBeyond(event.cursor ?? '');
    if (!settled) return undefined;
    // Only the latest refusals and dead letters are kept, so where there are some, there may have been others.
    const isCertain =
      subscription.lane.refusals.length === 0 &&
      (await storage.deadLetters.find({ subscriptionId: subscription.id }, { limit: 1 })).length === 0;
    const message = isCertain
      ? 'the endpoint has acknowledged it'
      : 'delivery is past it, and it is not among the latest that were refused or given up';
    return { verdict: 'delivered', message };
  }
  if (subscription instanceof PushSession && isPast(feed, event, subscription.cursor)) {
    return { verdict: 'sent', message: 'it was written to the stream, where nothing is acknowledged' };
  }
  if (subscription instanceof PollSubscription && isPast(feed, event, subscription.lastAnswer?.cursor)) {
    return { verdict: 'sent', message: 'polls have been past it: it was in an answer, or the client skipped it' };
  }
  return undefined;
}

function isPast(feed: LogFeed, event: FeedEvent, cursor: string | null | undefined): boolean {
  const position = typeof cursor === 'string' ? feed.positionOf(cursor) : undefined;
  return position !== undefined && event.position <= position;
}

async function accessSays(
  { lifecycle }: Core,
  { compiled }: EventType,
  subscription: Subscription,
): Promise<Explanation | undefined> {
  try {
    await lifecycle.authorize(compiled.definition, subscription);
    return undefined;
  } catch (error) {
    // Where nobody can say, access stays.
    if (!isEventsError(error) || error.errorName === 'InternalError') return undefined;
    return { verdict: 'notAuthorized', message: `authorize says no now (${error.errorName})` };
  }
}

function notReached(feed: LogFeed, subscription: Subscription, event: FeedEvent): Explanation {
  if (subscription instanceof PollSubscription) {
    const { lastAnswer } = subscription;
    const lastPollAt = lastAnswer === undefined ? null : isoTime(lastAnswer.atMs);
    return { verdict: 'notPolled', lastPollAt, message: 'no poll has come since' };
  }
  if (subscription instanceof WebhookSubscription && subscription.lane.suspendedAtMs !== undefined) {
    return suspended(subscription.lane.suspendedAtMs, subscription.lane.lastError);
  }
  const cursor =
    subscription instanceof PushSession || subscription instanceof WebhookSubscription ? subscription.cursor : null;
  const position = cursor === null ? undefined : feed.positionOf(cursor);
  const eventsBehind = Math.max(0, event.position - (position ?? feed.oldest - 1));
  const message = 'delivery is not there yet: events before it are not acknowledged, or not written';
  return { verdict: 'notReached', eventsBehind, message };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
