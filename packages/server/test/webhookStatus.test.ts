import { describe, expect, it } from 'vitest';
import { settle, until } from './kit/fakeClock.ts';
import type { Answer } from './kit/recorder.ts';
import { secureServer, STRANGER } from './kit/secureServer.ts';
import { counted } from './kit/servers.ts';
import { TRUSTED, webhookServer } from './kit/webhookServer.ts';

describe('deliveryStatus', () => {
  it('STATUS-01 OP-31 comes with refreshes only', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    expect(await server.subscribe('counted')).not.toHaveProperty('deliveryStatus');
    const quiet = { active: true, lastDeliveryAt: null, lastError: null };
    expect((await server.subscribe('counted')).deliveryStatus).toEqual(quiet);
    await server.unsubscribe('counted');
    expect(await server.subscribe('counted')).not.toHaveProperty('deliveryStatus');
  });

  it('STATUS-04 tells the last success and the start of the series of failures, as times with a zone', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    const status = async (): Promise<unknown> => (await server.subscribe('counted')).deliveryStatus;
    await server.subscribe('counted');
    await handle.emit({ n: 1 });
    await server.clock.advance(60_000);
    server.recorder.answer = () => 500;
    await handle.emit({ n: 2 });
    await server.clock.advance(30_000);
    expect(await status()).toEqual({
      active: true,
      lastDeliveryAt: '2026-01-01T00:00:00.000Z',
      lastError: 'http_5xx',
      failedSince: '2026-01-01T00:01:00.000Z',
    });
    server.recorder.answer = () => undefined;
    await server.clock.advance(600_000);
    expect(await status()).toEqual({
      active: true,
      lastDeliveryAt: expect.stringMatching(/^2026-01-01T00:0[2-9]:\d\d\.\d{3}Z$/),
      lastError: null,
    });
  });

  it('STATUS-02 SUB-13 says once that delivery was suspended: this refresh resumed it', async () => {
    const server = webhookServer({ suspension: { minAttempts: 2 } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => 404;
    for (const n of [1, 2]) await handle.emit({ n });
    await settle();
    expect(server.events.subscriptions()[0]?.suspended).toBe(true);
    server.recorder.answer = () => undefined;
    const actives: unknown[] = [];
    for (let round = 0; round < 3; round++) actives.push((await server.subscribe('counted')).deliveryStatus.active);
    expect(actives).toEqual([false, true, true]);
    expect(server.recorder.events).toHaveLength(4);
  });

  it.each<[string, Answer]>([
    ['http_4xx', 400],
    ['http_4xx', 429],
    ['http_4xx', { status: 301, headers: { location: `${TRUSTED}/elsewhere` } }],
    ['http_5xx', 500],
    ['http_5xx', 503],
    ['connection_refused', 'reset'],
    ['timeout', 'hang'],
  ])('STATUS-03 OP-10 the category is %s after %j', async (category, answer) => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => answer;
    await handle.emit({ n: 1 });
    await server.clock.advance(5_000);
    const { deliveryStatus } = await server.subscribe('counted');
    expect(deliveryStatus).toMatchObject({ active: true, lastError: category });
  });

  it('STATUS-03 OP-09 the category of a connection that fails, or must not be made', async () => {
    let addresses = ['20.30.40.50'];
    const server = secureServer({ egress: { resolve: () => addresses } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { url: STRANGER });
    const failing = async (): Promise<unknown> => {
      // What is still connected is not used for other addresses, or after a while.
      await server.clock.advance(60_000);
      await handle.emit({ n: 1 });
      await server.clock.advance(5_000);
      const { deliveryStatus } = await server.subscribe('counted', { url: STRANGER });
      return deliveryStatus.lastError;
    };
    server.recorder.network = 'refusing';
    expect(await failing()).toBe('connection_refused');
    server.recorder.network = 'silent';
    expect(await failing()).toBe('timeout');
    server.recorder.network = 'up';
    addresses = ['10.0.0.1'];
    expect(await failing()).toBe('connection_refused');
    addresses = ['20.30.40.50'];
    server.recorder.certificate = 'untrusted';
    await server.clock.advance(60_000);
    await handle.emit({ n: 1 });
    await until(() => server.recorder.dialled.length > 3);
    await settle(100);
    expect((await server.subscribe('counted', { url: STRANGER })).deliveryStatus.lastError).toBe('tls_error');
  });

  it('STATUS-03 VERIFY-10 nothing of the answers of an endpoint appears in it', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => ({ status: 418, headers: { 'x-marker': 'MARKER' }, body: '{"error":"MARKER"}' });
    await handle.emit({ n: 1 });
    await settle();
    const result = await server.subscribe('counted');
    expect(result.deliveryStatus.lastError).toBe('http_4xx');
    expect(JSON.stringify([result, server.errors, server.warnings])).not.toContain('MARKER');
  });

  it('STATUS-05 tells that rate limits delay deliveries, and nothing of them where there are none', async () => {
    const server = webhookServer({ limits: { hostPerSecond: 1 } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    for (const n of [1, 2, 3]) await handle.emit({ n });
    await settle();
    const { deliveryStatus } = await server.subscribe('counted');
    expect(deliveryStatus).toMatchObject({ active: true, throttled: true });
    expect(deliveryStatus.retryAfterMs).toBeGreaterThan(0);
    expect(deliveryStatus.retryAfterMs).toBeLessThanOrEqual(1_000);
    await server.clock.advance(10_000);
    expect(server.recorder.events).toHaveLength(3);
    expect((await server.subscribe('counted')).deliveryStatus).not.toHaveProperty('throttled');
  });

  it('STATUS-05 a slow endpoint is not throttled', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => 'hang';
    for (const n of [1, 2, 3]) await handle.emit({ n });
    await settle();
    expect((await server.subscribe('counted')).deliveryStatus).toEqual({
      active: true,
      lastDeliveryAt: null,
      lastError: null,
    });
  });
});
