import type { DeliveryMode } from '@mcp-events/protocol';
import type { Core } from '../core.ts';
import { PushSession } from '../delivery/push/pushSession.ts';
import { WebhookSubscription } from '../delivery/webhook/webhookSubscription.ts';
import { LogFeed } from '../feed/logFeed.ts';
import type { Outboxes } from '../outbox/outboxes.ts';
import { PollSubscription } from '../subscription/pollSubscription.ts';
import type { Subscription } from '../subscription/subscription.ts';
import type { Gauges } from './metrics.ts';

/** What a server holds at the moment, for metrics. */
export function gaugesOf(core: Core, outboxes: Outboxes): Gauges {
  return { subscriptions: () => countSubscriptions(core), queues: () => queueLengths(core, outboxes) };
}

function countSubscriptions({ catalog, registry }: Core): ReturnType<Gauges['subscriptions']> {
  const counts = new Map<string, { mode: DeliveryMode; suspended: boolean; count: number }>();
  const lags = new Map<string, { name: string; mode: DeliveryMode; events: number }>();
  for (const subscription of registry.all()) {
    const { mode, name } = subscription;
    const suspended = subscription instanceof WebhookSubscription && subscription.suspended;
    const counted = entry(counts, `${mode} ${suspended}`, () => ({ mode, suspended, count: 0 }));
    counted.count++;
    const feed = catalog.get(name)?.feed;
    if (!(feed instanceof LogFeed) || mode === 'poll') continue;
    const slowest = entry(lags, `${mode} ${name}`, () => ({ name, mode, events: 0 }));
    slowest.events = Math.max(slowest.events, lagOf(feed, subscription));
  }
  return { counts: [...counts.values()], lags: [...lags.values()] };
}

function entry<T>(map: Map<string, T>, key: string, make: () => T): T {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

/** Events after the safe position. Most subscriptions are up to date, and say so without a look at their position. */
export function lagOf(feed: LogFeed, subscription: Subscription): number {
  let cursor: string | null | undefined;
  if (subscription instanceof PollSubscription) cursor = subscription.lastAnswer?.cursor;
  else if (subscription instanceof WebhookSubscription || subscription instanceof PushSession) {
    if (subscription.isCurrent) return 0;
    ({ cursor } = subscription);
  }
  if (typeof cursor !== 'string') return 0;
  return feed.head - (feed.positionOf(cursor) ?? feed.oldest - 1);
}

/** What waits, by the queue it waits in. */
export function queueLengths({ webhooks }: Core, outboxes: Outboxes): Record<string, number> {
  const lengths: Record<string, number> = { outbox: outboxes.waiting };
  if (webhooks === undefined) return lengths;
  const { running, waiting, retries } = webhooks.queues;
  lengths['attempts_running'] = running;
  lengths['attempts_waiting'] = waiting;
  lengths['retries'] = retries;
  if (webhooks.persistence !== undefined) lengths['stored_positions'] = webhooks.persistence.waiting;
  return lengths;
}
