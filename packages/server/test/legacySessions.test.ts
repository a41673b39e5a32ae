import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { FrameReader, kindsOf, pushedNumbers } from './kit/frames.ts';
import { SUBSCRIPTION_ID } from './kit/httpServer.ts';
import { OlderSession } from './kit/olderSession.ts';
import { secureServer, STRANGER } from './kit/secureServer.ts';
import { counted, httpServer, numbersOf, stdioServer } from './kit/servers.ts';
import { isSignedWith, secretOf } from './kit/webhookServer.ts';

describe('a push client that connects by initialize', () => {
  it.each(['2025-11-25', '2025-06-18', '2025-03-26'])(
    'DIALECT-17 is served over HTTP, from the first request to the last (revision %s)',
    async (version) => {
      const server = httpServer();
      const handle = server.events.define('counted', { ...counted, description: 'Counts' });
      const session = new OlderSession(server, version);

      const { result } = await session.initialize();
      expect(result.protocolVersion).toBe(version);
      expect(result.capabilities.events).toEqual({});
      expect(result.capabilities.extensions ?? {}).toEqual({});

      const { events } = await session.result('events/list');
      expect(events).toMatchObject([{ name: 'counted', description: 'Counts', delivery: ['poll', 'push'] }]);

      const frames = await session.stream({ name: 'counted', arguments: {} });
      const [active] = await frames.take(1);
      expect(active).toMatchObject({ method: 'notifications/events/active', params: { truncated: false } });
      expect(active!.params._meta[SUBSCRIPTION_ID]).toBe(3);

      await handle.emit({ n: 1 });
      await handle.emit({ n: 2 });
      const pushed = await frames.take(2);
      expect(pushedNumbers(pushed)).toEqual([1, 2]);
      expect(pushed.map(({ params }) => params._meta[SUBSCRIPTION_ID])).toEqual([3, 3]);

      await server.clock.advance(15_000);
      const [heartbeat] = await frames.take(1);
      expect(heartbeat).toMatchObject({
        method: 'notifications/events/heartbeat',
        params: { cursor: pushed[1]!.params.cursor },
      });
      await frames.cancel();
      await settle();
      expect(server.events.subscriptions()).toEqual([]);

      await handle.emit({ n: 3 });
      const again = await session.stream({ name: 'counted', cursor: pushed[1]!.params.cursor });
      const resumed = await again.take(2);
      expect(kindsOf(resumed)).toEqual(['active', 'event']);
      expect(pushedNumbers(resumed)).toEqual([3]);
      await server.handler.close();
      const [last] = await again.rest();
      expect(last).toMatchObject({ id: 4, result: { _meta: { [SUBSCRIPTION_ID]: 4 } } });
    },
  );

  it('DIALECT-17 PUSH-01 gets an error in the older numbers instead of a stream, and nothing is left behind', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    server.events.define('polled', { ...counted, delivery: ['poll'] });
    const session = new OlderSession(server, '2025-03-26');
    await session.initialize();
    expect((await session.call('events/stream', { name: 'missing' })).error).toMatchObject({
      code: -32011,
      data: { kind: 'event' },
    });
    expect((await session.call('events/stream', { name: 'polled' })).error).toMatchObject({
      code: -32014,
      data: { feature: 'deliveryMode', value: 'push' },
    });
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('DIALECT-17 PUSH-14 ends its stream by giving up the POST', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    const session = new OlderSession(server, '2025-11-25');
    await session.initialize();
    const controller = new AbortController();
    const frames = await session.stream({ name: 'counted' }, controller.signal);
    await frames.take(1);
    expect(server.events.subscriptions()).toHaveLength(1);
    controller.abort();
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('DIALECT-17 CUR-08 costs a bounded buffer while it does not read, and misses nothing', async () => {
    const server = httpServer({ limits: { streamBufferBytes: 4_096 } });
    const handle = server.events.define('counted', counted);
    const session = new OlderSession(server, '2025-11-25');
    await session.initialize();
    const frames = await session.stream({ name: 'counted' });
    await frames.take(1);
    for (let n = 0; n < 200; n++) await handle.emit({ n });
    await settle();
    const [{ id } = { id: '' }] = server.events.subscriptions();
    // The queue is full, so the position stays behind what was emitted.
    expect(server.events.inspect().subscription(id)!.lag).toBeGreaterThan(100);
    expect(pushedNumbers(await frames.take(200))).toEqual(Array.from({ length: 200 }, (_, n) => n));
  });

  it('DIALECT-17 CUR-08 ERR-09 is bounded whatever headers of the newer revisions it sends', async () => {
    const server = httpServer({ limits: { streamBufferBytes: 4_096, maxRequestBytes: 2_048 } });
    const handle = server.events.define('counted', counted);
    const session = new OlderSession(server, '2025-11-25', undefined, { 'mcp-method': 'tools/list' });
    await session.initialize();
    const frames = await session.stream({ name: 'counted' });
    await frames.take(1);
    for (let n = 0; n < 200; n++) await handle.emit({ n });
    await settle();
    const [{ id } = { id: '' }] = server.events.subscriptions();
    expect(server.events.inspect().subscription(id)!.lag).toBeGreaterThan(100);
    await frames.cancel();
    const tooLarge = await session.request('events/poll', { name: 'counted', arguments: { text: 'x'.repeat(2_048) } });
    expect(tooLarge.status).toBe(413);
  });

  it('DIALECT-17 CUR-08 costs a bounded buffer where its stream shares a POST, too, and misses nothing', async () => {
    const server = httpServer({ limits: { streamBufferBytes: 4_096 } });
    const handle = server.events.define('counted', counted);
    const session = new OlderSession(server, '2025-03-26');
    await session.initialize();
    const messages = ['a', 'b'].map((id) => ({
      jsonrpc: '2.0',
      id,
      method: 'events/stream',
      params: { name: 'counted' },
    }));
    const frames = new FrameReader((await session.post(messages)).body!);
    await frames.take(2);
    for (let n = 0; n < 200; n++) await handle.emit({ n });
    await settle();
    for (const { id } of server.events.subscriptions()) {
      expect(server.events.inspect().subscription(id)!.lag).toBeGreaterThan(100);
    }
    const expected = Array.from({ length: 200 }, (_, n) => n);
    const pushed = await frames.take(400);
    for (const id of ['a', 'b']) {
      const own = pushed.filter(({ params }) => params._meta[SUBSCRIPTION_ID] === id);
      expect(pushedNumbers(own)).toEqual(expected);
    }
    await handle.emit({ n: 200 });
    await handle.emit({ n: 201 });
    expect(pushedNumbers(await frames.take(4)).toSorted((a, b) => Number(a) - Number(b))).toEqual([200, 200, 201, 201]);
    await frames.cancel();
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('DIALECT-17 is served on stdio, and cancels a stream by its notification', async () => {
    const server = stdioServer();
    const handle = server.events.define('counted', counted);
    const initialized = await server.raw({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-03-26', capabilities: {}, clientInfo: { name: 'older', version: '1' } },
    });
    expect(initialized?.result).toMatchObject({ protocolVersion: '2025-03-26', capabilities: { events: {} } });
    await server.raw({ jsonrpc: '2.0', method: 'notifications/initialized' });
    const list = await server.raw({ jsonrpc: '2.0', id: 2, method: 'events/list', params: {} });
    expect(list?.result.events).toMatchObject([{ name: 'counted', delivery: ['poll', 'push'] }]);
    await server.raw({ jsonrpc: '2.0', id: 3, method: 'events/stream', params: { name: 'counted' } });
    await handle.emit({ n: 1 });
    await server.idle();
    expect(kindsOf(server.of(3))).toEqual(['active', 'event']);
    await server.raw({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 3 } });
    await handle.emit({ n: 2 });
    await server.idle();
    expect(pushedNumbers(server.of(3))).toEqual([1]);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('DIALECT-17 shares one POST with other messages where the revision allows it', async () => {
    const server = httpServer();
    const handle = server.events.define('counted', counted);
    const session = new OlderSession(server, '2025-03-26');
    await session.initialize();
    const response = await session.post([
      { jsonrpc: '2.0', id: 'list', method: 'events/list', params: {} },
      { jsonrpc: '2.0', id: 'stream', method: 'events/stream', params: { name: 'counted' } },
    ]);
    const frames = new FrameReader(response.body!);
    await settle();
    await handle.emit({ n: 1 });
    const messages = await frames.take(3);
    expect(messages.find(({ id }) => id === 'list')?.result.events).toHaveLength(1);
    const streamed = messages.filter(({ params }) => params?._meta[SUBSCRIPTION_ID] === 'stream');
    expect(kindsOf(streamed)).toEqual(['active', 'event']);
    await frames.cancel();
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
  });
});

describe('a webhook client', () => {
  it('DIALECT-17 DIALECT-05 connects by initialize and gets the older dialect', async () => {
    const server = secureServer();
    const handle = server.events.define('counted', counted);
    const session = new OlderSession(server, '2025-03-26', 'alice');
    const { result } = await session.initialize();
    expect(result).toMatchObject({ protocolVersion: '2025-03-26', capabilities: { events: {} } });
    const { events } = await session.result('events/list');
    expect(events[0]).toMatchObject({ name: 'counted', delivery: ['poll', 'push', 'webhook'] });
    expect(Object.keys(events[0]).toSorted()).toEqual([
      'delivery',
      'description',
      'inputSchema',
      'name',
      'payloadSchema',
    ]);

    const delivery = { mode: 'webhook', url: STRANGER, secret: secretOf() };
    const subscribed = await session.result('events/subscribe', { name: 'counted', arguments: {}, delivery });
    expect(subscribed).toMatchObject({ truncated: false, cursor: expect.any(String) });
    expect(Date.parse(subscribed.refreshBefore)).toBeGreaterThan(server.clock.now());
    expect(server.recorder.challenges).toHaveLength(1);
    await settle();

    const { eventId } = await handle.emit({ n: 1 });
    await settle();
    const [posted] = server.recorder.events;
    expect(posted!.headers).toMatchObject({ 'webhook-id': eventId, 'x-mcp-subscription-id': subscribed.id });
    expect(isSignedWith(posted!, secretOf())).toBe(true);

    const refreshed = await session.result('events/subscribe', { name: 'counted', arguments: {}, delivery });
    expect(refreshed.id).toBe(subscribed.id);
    const target = { name: 'counted', arguments: {}, delivery: { mode: 'webhook', url: delivery.url } };
    // As often as it likes: it does not know what the server has forgotten (DIALECT-11).
    for (let n = 0; n < 2; n++) expect((await session.call('events/unsubscribe', target)).error).toBeUndefined();
    await handle.emit({ n: 2 });
    await settle();
    expect(numbersOf(server.recorder.events.map(({ body }) => body))).toEqual([1]);
    expect((await session.call('events/subscribe', { name: 'missing', delivery })).error?.code).toBe(-32011);
  });

  it.each([
    ['older', false, -32011, undefined],
    ['newer', true, -32023, -32023],
  ] as const)(
    'DIALECT-01 DIALECT-04 DIALECT-05 of the %s dialect at the newer revision, from discovery to unsubscribing',
    async (_, declare, missing, unsubscribedTwice) => {
      const server = secureServer();
      const handle = server.events.define('counted', counted);
      const options = { declare, as: 'alice', url: STRANGER };
      const { capabilities, supportedVersions } = await server.result('server/discover', {}, options);
      expect(supportedVersions).toContain('2026-07-28');
      expect(capabilities.events).toEqual({ listChanged: true });
      expect(capabilities.extensions['io.modelcontextprotocol/events']).toEqual({ listChanged: true });
      const { events } = await server.result('events/list', {}, options);
      expect(events[0].delivery).toContain('webhook');
      const { id } = await server.subscribe('counted', options);
      expect(server.recorder.challenges.map(({ headers }) => headers['x-mcp-subscription-id'])).toEqual([id]);
      const { eventId } = await handle.emit({ n: 1 });
      await settle();
      const [posted] = server.recorder.events;
      expect(posted!.headers['webhook-id'] === eventId).toBe(!declare);
      expect((await server.subscribe('counted', options)).id).toBe(id);
      expect((await server.unsubscribe('counted', options)).error).toBeUndefined();
      expect((await server.unsubscribe('counted', options)).error?.code).toBe(unsubscribedTwice);
      expect((await server.trySubscribe('missing', options)).error?.code).toBe(missing);
    },
  );
});

describe('sessions of the 2025 revisions', () => {
  it.each([{ legacySessions: false }, { dialect: 'final' }] as const)(
    'CAP-07 DIALECT-17 get no events where the operator says so: %o',
    async (options) => {
      const server = httpServer(options);
      server.events.define('counted', counted);
      const session = new OlderSession(server, '2025-11-25');
      const { result } = await session.initialize();
      expect(result.capabilities).not.toHaveProperty('events');
      expect(result.capabilities.extensions ?? {}).toEqual({});
      expect((await session.call('events/list')).error?.code).toBe(-32601);
    },
  );

  it('DIALECT-15 DIALECT-17 speak the older dialect, also where every other request declares the newer', async () => {
    const server = httpServer({ dialect: 'sketch' });
    server.events.define('counted', counted);
    const session = new OlderSession(server, '2025-11-25');
    expect((await session.initialize()).result.capabilities.events).toEqual({});
    expect((await session.call('events/poll', { name: 'missing' })).error?.code).toBe(-32011);
    expect(await session.result('events/poll', { name: 'counted' })).toMatchObject({ events: [], truncated: false });
  });

  it('cannot be had without the dialect they speak', () => {
    expect(() => httpServer({ legacySessions: true, dialect: 'final' })).toThrow(/legacySessions/);
  });
});
