import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { type EventsClient, memoryStore } from '../src/index.ts';
import { challenge, ReceiverWorld, secretA } from './receiverWorld.ts';
import { pending, RpcFailure } from './support/rawServer.ts';
import { granted, HOUR_MS, webhookWorld } from './support/webhookWorld.ts';
import { Reader, settle } from './support/world.ts';

describe('the end of a webhook subscription', () => {
  it('CLIENT-07 OP-06 cancel ends it at the server, forgets it and takes no more posts', async () => {
    const store = memoryStore();
    const { receiver, subscribes, unsubscribes, events, clock } = await webhookWorld({ store });
    const subscription = await events.subscribe('incident.opened', { a: 1 });
    await settle();
    await subscription.cancel();
    expect(unsubscribes().map(({ params }) => params)).toMatchObject([
      { name: 'incident.opened', arguments: { a: 1 }, delivery: { url: subscribes()[0]!.params['delivery'].url } },
    ]);
    expect(unsubscribes()[0]!.params['delivery']).toHaveProperty('mode', 'webhook');
    expect(await receiver.last.event('e1', 'c1')).toBe('unknown');
    expect(await store.list()).toEqual([]);
    await clock.advance(10 * HOUR_MS);
    expect(subscribes()).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
    await events.close();
  });

  it('CLIENT-07 cancel ends it at the server when that failed at its end, and not twice when it did not', async () => {
    for (const fails of [true, false]) {
      const w = await webhookWorld();
      const subscription = await w.events.subscribe('incident.opened');
      const reader = new Reader(subscription);
      await settle();
      w.server.on(Methods.subscribe, () => {
        throw new RpcFailure(-32024);
      });
      if (fails) {
        w.server.on(Methods.unsubscribe, () => {
          throw new RpcFailure(-32603);
        });
      }
      await w.clock.advance(HOUR_MS);
      expect(reader.error).toMatchObject({ errorName: 'Forbidden' });
      expect(w.unsubscribes()).toHaveLength(1);
      w.server.on(Methods.unsubscribe, () => ({}));
      await subscription.cancel();
      expect(w.unsubscribes()).toHaveLength(fails ? 2 : 1);
      await subscription.cancel();
      expect(w.unsubscribes()).toHaveLength(fails ? 2 : 1);
      await w.events.close();
    }
  });

  it('RECV-10 posts of a server that does not end a cancelled subscription get 410, those for a stopped one 503', async () => {
    const world = new ReceiverWorld();
    const store = memoryStore();
    const { server, subscribes, events } = await webhookWorld({ store, hooks: { receiver: world.receiver } });
    server.on(Methods.unsubscribe, () => {
      throw new RpcFailure(-32602);
    });
    const cancelled = await events.subscribe('incident.opened', { n: 1 });
    const stopped = await events.subscribe('incident.opened', { n: 2 });
    await settle();
    const [first, second] = subscribes().map(({ params }) => params['delivery'] as { url: string; secret: string });
    await cancelled.cancel();
    stopped.stop();
    await settle();
    expect(await world.post(first)).toBe(410);
    expect(await world.post({ ...first, id: 'msg_verification_1', body: challenge })).toBe(401);
    // Another process may go on with it, behind the same URL.
    expect(await world.post(second)).toBe(503);
    await stopped.cancel();
    expect(await world.post(second)).toBe(410);
    await events.close();
  });

  it('RECV-10 a URL that was given up for a new one gets 410, and one that is registered again does not', async () => {
    const world = new ReceiverWorld();
    const store = memoryStore();
    const first = await webhookWorld({ store });
    await first.events.subscribe('incident.opened');
    await settle();
    await first.events.close();
    const { server, subscribes, events } = await webhookWorld({ store, hooks: { receiver: world.receiver } });
    server.on(Methods.unsubscribe, () => {
      throw new RpcFailure(-32602);
    });
    await events.resume();
    await settle();
    const { url: given } = first.subscribes()[0]!.params['delivery'] as { url: string };
    const { url, secret } = subscribes()[0]!.params['delivery'] as { url: string; secret: string };
    expect(await world.post({ url: given })).toBe(410);
    expect(await world.post({ url, secret })).toBe(204);
    world.receiver.register({ path: given.split('/').at(-1)!, secret: secretA, id: 'sub_1', accept: world.accept });
    expect(await world.post({ url: given })).toBe(204);
    await events.close();
  });

  it('CLIENT-08 OP-23 takes NotFound for the end, in either dialect', async () => {
    for (const code of [-32023, -32011]) {
      const { events, server, warnings } = await webhookWorld();
      server.on(Methods.unsubscribe, () => {
        throw new RpcFailure(code);
      });
      const subscription = await events.subscribe('incident.opened');
      await settle();
      await subscription.cancel();
      expect(warnings).toEqual([]);
      await events.close();
    }
  });

  it('stop and close end it at the server too and keep the position; a server that does not answer holds up nobody', async () => {
    const store = memoryStore();
    const { receiver, unsubscribes, events, server, clock, warnings } = await webhookWorld({ store });
    const stopped = await events.subscribe('incident.opened', { n: 1 });
    await events.subscribe('incident.opened', { n: 2 });
    await settle();
    stopped.stop();
    await settle();
    expect(unsubscribes()).toHaveLength(1);
    server.on(Methods.unsubscribe, () => pending);
    let closed = false;
    void events.close().then(() => (closed = true));
    await clock.advance(2_999);
    expect(unsubscribes()).toHaveLength(2);
    expect(closed).toBe(false);
    await clock.advance(1);
    expect(closed).toBe(true);
    expect(warnings).toHaveLength(1);
    expect(receiver.callbacks.map(({ open }) => open)).toEqual([false, false]);
    expect(await store.list()).toMatchObject([{ cursor: 'c0' }, { cursor: 'c0' }]);
    expect(clock.pendingTimers).toBe(0);
  });

  for (const [how, again] of [
    ['subscribe', (events: EventsClient) => events.subscribe('incident.opened')],
    ['resume', (events: EventsClient) => events.resume()],
  ] as const) {
    it(`ends it at the server also if stopped before the answer came, and lets the next one wait for that (${how})`, async () => {
      const { subscribes, unsubscribes, events, server, clock } = await webhookWorld();
      server.on(Methods.subscribe, () => pending);
      const subscribing = events.subscribe('incident.opened');
      await settle();
      server.on(Methods.unsubscribe, () => pending);
      events.subscriptions[0]!.stop();
      await subscribing;
      const next = again(events);
      await settle();
      expect(unsubscribes()).toHaveLength(1);
      expect(subscribes()).toHaveLength(1);
      server.on(Methods.unsubscribe, () => ({}));
      server.answer(unsubscribes()[0]!.id, {});
      await settle();
      expect(subscribes()).toHaveLength(2);
      server.answer(subscribes()[1]!.id, granted(clock, HOUR_MS));
      await next;
      await events.close();
    });
  }

  it('CLIENT-01 ends what an earlier process left before it subscribes from the kept cursor', async () => {
    const store = memoryStore();
    const crashed = await webhookWorld({ store });
    const reader = new Reader(await crashed.events.subscribe('incident.opened'));
    await settle();
    await crashed.receiver.last.event('e1', 'c1');
    await settle();
    expect(reader.ids).toEqual(['e1']);

    const { server, subscribes, unsubscribes, events, receiver } = await webhookWorld({ store });
    const [resumed] = await events.resume();
    const resumedReader = new Reader(resumed!);
    await settle();
    const { url } = subscribes()[0]!.params['delivery'];
    expect(url).toBe(crashed.subscribes()[0]!.params['delivery'].url);
    expect(unsubscribes().map(({ params }) => params['delivery'].url)).toEqual([url]);
    const methods = server.received.map(({ method }) => method);
    expect(methods.indexOf(Methods.unsubscribe)).toBeLessThan(methods.indexOf(Methods.subscribe));
    expect(subscribes()[0]!.params['cursor']).toBe('c1');
    await receiver.last.event('e1', 'c1');
    await receiver.last.event('e2', 'c2');
    await settle();
    expect(resumedReader.ids).toEqual(['e2']);
    await events.close();
    await crashed.events.close();
  });

  it('takes another URL if the server refuses to end what an earlier process left', async () => {
    const store = memoryStore();
    const first = await webhookWorld({ store });
    await first.events.subscribe('incident.opened');
    await settle();
    await first.events.close();
    const { server, subscribes, unsubscribes, events, warnings } = await webhookWorld({ store });
    server.on(Methods.unsubscribe, () => {
      throw new RpcFailure(-32602);
    });
    await events.resume();
    await settle();
    const { url } = subscribes()[0]!.params['delivery'];
    expect(url).not.toBe(unsubscribes()[0]!.params['delivery'].url);
    expect(warnings).toHaveLength(1);
    // Where the next process finds what to end.
    expect(await store.list()).toMatchObject([{ webhook: { path: url.split('/').at(-1) } }]);
    await events.close();
  });

  it('does not subscribe before it knows that an earlier subscription is gone', async () => {
    const store = memoryStore();
    const first = await webhookWorld({ store });
    await first.events.subscribe('incident.opened', {}, { delivery: 'webhook' });
    await settle();
    await first.events.close();
    const { server, subscribes, unsubscribes, events, clock } = await webhookWorld({ store });
    server.on(Methods.unsubscribe, () => pending);
    await events.resume();
    await settle();
    await server.die();
    await clock.advance(1_000);
    expect(unsubscribes()).toHaveLength(2);
    expect(subscribes()).toEqual([]);
    server.answer(unsubscribes()[1]!.id, {});
    await settle();
    expect(subscribes()).toHaveLength(1);
    server.on(Methods.unsubscribe, () => ({}));
    await events.close();
  });

  for (const code of [-32024, -32012]) {
    it(`TERM-07 TERM-08 Forbidden (${code}) ends it without retry, after what was received before`, async () => {
      const told: Error[] = [];
      const store = memoryStore();
      const { receiver, subscribes, unsubscribes, events, server, clock } = await webhookWorld({ store });
      const subscription = await events.subscribe('incident.opened', {}, { onTerminated: (error) => told.push(error) });
      await settle();
      const { last } = receiver;
      await last.event('e1', 'c1');
      expect(await last.terminated(code, { reason: 'revoked' })).toBe('accepted');
      await clock.advance(10 * HOUR_MS);
      expect(told).toMatchObject([{ errorName: 'Forbidden', data: { reason: 'revoked' } }]);
      expect(events.subscriptions).toEqual([]);
      const reader = new Reader(subscription);
      await settle();
      expect(reader.ids).toEqual(['e1']);
      expect(reader.error).toBe(told[0]);
      expect(await last.event('late', 'c2')).toBe('unknown');
      expect(subscribes()).toHaveLength(1);
      expect(unsubscribes()).toEqual([]);
      expect(server.streams()).toEqual([]);
      expect(await store.list()).toMatchObject([{ ended: true }]);
      await events.close();
    });
  }

  it('TERM-07 RECV-13 hands out what waits for an earlier one when the server ends it, behind a gap', async () => {
    const order: string[] = [];
    const { receiver, events } = await webhookWorld();
    const onGap = ({ reason }: { reason: string }): void => void order.push(reason);
    const subscription = await events.subscribe('incident.opened', {}, { onGap });
    await settle();
    const { last } = receiver;
    await last.event('e1', 'c1', { position: 'c1', previous: null });
    expect(await last.event('e3', 'c1', { position: 'c3', previous: 'c2' })).toBe('accepted');
    expect(await last.event('e5', 'c1', { position: 'c5', previous: 'c4' })).toBe('accepted');
    await last.terminated(-32024, { reason: 'revoked' });
    const read = async (): Promise<void> => {
      for await (const { eventId } of subscription) order.push(eventId);
    };
    await expect(read()).rejects.toMatchObject({ errorName: 'Forbidden' });
    expect(order).toEqual(['e1', 'overdue', 'e3', 'e5']);
    await events.close();
  });

  it('RECV-13 hands out what waits, of a type without cursors, when the run ends', async () => {
    const order: string[] = [];
    const { receiver, events, server, clock } = await webhookWorld();
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { cursor: null }));
    const onGap = ({ reason }: { reason: string }): void => void order.push(reason);
    const subscription = await events.subscribe('incident.opened', {}, { onGap });
    await settle();
    const { last } = receiver;
    await last.event('e1', null, { position: 'p1', previous: null });
    expect(await last.event('e3', null, { position: 'p3', previous: 'p2' })).toBe('accepted');
    // The endpoint is unreachable for the server: push takes over.
    await last.terminated(-32027, { reason: 'timeout' });
    await settle();
    expect(subscription.status.delivery).toBe('push');
    server.stream().active(null);
    server.stream().event('e4', null);
    for (let n = 0; n < 3; n += 1) order.push((await subscription.next()).value!.eventId);
    expect(order.filter((what) => what.startsWith('e'))).toEqual(['e1', 'e3', 'e4']);
    expect(order.indexOf('overdue')).toBe(1);
    await events.close();
  });

  it('TERM-08 NotFound lists again and subscribes anew from the kept cursor', async () => {
    const { receiver, subscribes, events, server, clock } = await webhookWorld();
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    await receiver.last.event('e1', 'c1');
    await receiver.last.terminated(-32023, { kind: 'event' });
    await clock.advance(1_000);
    expect(server.requests(Methods.list)).toHaveLength(2);
    expect(subscribes().map(({ params }) => params['cursor'])).toEqual([null, 'c1']);
    await receiver.last.event('e2', 'c2');
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2']);
    await events.close();
  });
});
