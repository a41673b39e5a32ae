import { describe, expect, it } from 'vitest';
import { EventsClient, memoryStore } from '../src/index.ts';
import { Methods, ORDERED_META_KEY } from '@mcp-events/protocol';
import { granted, HOUR_MS, webhookWorld } from './support/webhookWorld.ts';
import { settle } from './support/world.ts';

describe('order on the wire', () => {
  it.each([true, false])('ORDER-07 ordered: %s stands in each request, also after a restart', async (ordered) => {
    const store = memoryStore();
    const w = await webhookWorld({ store });
    const _meta = { [ORDERED_META_KEY]: true };
    w.server.on(Methods.subscribe, () => granted(w.clock, HOUR_MS, { ...(ordered && { _meta }) }));
    const errors: Error[] = [];
    const onError = (error: Error): void => void errors.push(error);
    await w.events.subscribe('incident.opened', {}, { ordered, onError });
    await w.clock.advance(HOUR_MS);
    await w.events.close();
    expect(w.subscribes().length).toBeGreaterThan(1);
    const again = await webhookWorld({ store, server: w.server, clock: w.clock });
    w.server.on(Methods.subscribe, () => granted(w.clock, HOUR_MS, { ...(ordered && { _meta }) }));
    const before = w.subscribes().length;
    await again.events.resume(() => ({ onError }));
    await settle();
    expect(w.subscribes().length).toBeGreaterThan(before);
    for (const { params } of w.subscribes()) expect(params['_meta']?.[ORDERED_META_KEY]).toBe(ordered);
    expect(errors).toEqual([]);
    await again.events.close();
  });

  it('ORDER-07 nothing is asked for by default', async () => {
    const w = await webhookWorld();
    await w.events.subscribe('incident.opened');
    expect(Object.keys(w.subscribes()[0]?.params['_meta'] ?? {})).not.toContain(ORDERED_META_KEY);
    await w.events.close();
  });

  it.each([
    ['says nothing', {}],
    ['says no', { _meta: { [ORDERED_META_KEY]: false } }],
    ['says something else', { _meta: { [ORDERED_META_KEY]: 'yes' } }],
  ])('ORDER-07 a server that %s is told of once, and delivers', async (_, more) => {
    const w = await webhookWorld();
    w.server.on(Methods.subscribe, () => granted(w.clock, HOUR_MS, more));
    const errors: Error[] = [];
    const onError = (error: Error): void => void errors.push(error);
    const subscription = await w.events.subscribe('incident.opened', {}, { ordered: true, onError });
    await w.clock.advance(3 * HOUR_MS);
    expect(w.subscribes().length).toBeGreaterThan(2);
    expect(errors).toMatchObject([{ code: 'ORDER_NOT_GRANTED' }]);
    expect(subscription.status).toMatchObject({ state: 'active', delivery: 'webhook' });
    await w.events.close();
  });

  it('CLIENT-20 anything but true or false is refused', async () => {
    const events = new EventsClient(() => Promise.reject(new Error('not asked')));
    for (const ordered of ['true', 1, null]) {
      await expect(events.subscribe('x', {}, { ordered: ordered as never })).rejects.toThrow(
        'ordered must be true or false, not ',
      );
    }
  });
});
