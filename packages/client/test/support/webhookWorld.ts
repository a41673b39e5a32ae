import { Methods } from '@mcp-events/protocol';
import type { EventsClientOptions, WebhookOptions } from '../../src/index.ts';
import type { FakeClock } from './fakeClock.ts';
import { FakeReceiver } from './fakeReceiver.ts';
import { eventType, type RawRequest, type RawServer } from './rawServer.ts';
import { world, type World } from './world.ts';

export const HOUR_MS = 3_600_000;
export const BASE_URL = 'https://agent.example/hooks';

export interface WebhookWorld extends World {
  receiver: FakeReceiver;
  /** What the server grants, in milliseconds from now; null is no expiry. */
  grant: { ms: number | null };
  subscribes(): RawRequest[];
  unsubscribes(): RawRequest[];
}

/** A raw server that grants webhook subscriptions, and an events client with a receiver. */
export async function webhookWorld(
  options: EventsClientOptions & { server?: RawServer; clock?: FakeClock; hooks?: Partial<WebhookOptions> } = {},
): Promise<WebhookWorld> {
  const { hooks, ...rest } = options;
  const receiver = new FakeReceiver();
  const w = await world({ ...rest, webhook: { receiver, url: BASE_URL, ...hooks } });
  const grant: WebhookWorld['grant'] = { ms: HOUR_MS };
  w.server.types = [eventType('incident.opened', ['webhook', 'push', 'poll'])];
  w.server.on(Methods.subscribe, () => granted(w.clock, grant.ms));
  w.server.on(Methods.unsubscribe, () => ({}));
  return {
    ...w,
    receiver,
    grant,
    subscribes: () => w.server.requests(Methods.subscribe),
    unsubscribes: () => w.server.requests(Methods.unsubscribe),
  };
}

/** A subscribe result. */
export function granted(clock: FakeClock, ttlMs: number | null, more: object = {}): Record<string, unknown> {
  const refreshBefore = ttlMs === null ? null : new Date(clock.now() + ttlMs).toISOString();
  return { id: 'sub_1', refreshBefore, cursor: 'c0', truncated: false, ...more };
}
