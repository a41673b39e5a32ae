import type { EventsOptions } from '@mcp-events/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { counted } from './kit/servers.ts';
import { TRUSTED, webhookServer } from './kit/webhookServer.ts';
import type { TestWebhookOptions } from './kit/webhookServer.ts';

const INVALID_PARAMS = -32602;

describe('a function as allowedOrigins', () => {
  it('SSRF-01 VERIFY-01 is asked with each subscribe and decides about scheme and verification', async () => {
    const allowed = new Set<string>();
    const server = webhookServer({ allowedOrigins: (origin) => allowed.has(origin) });
    const handle = server.events.define('counted', counted);
    const url = 'http://hooks.test:8080/a';
    expect((await server.trySubscribe('counted', { url })).error?.code).toBe(INVALID_PARAMS);
    allowed.add('http://hooks.test:8080');
    await server.subscribe('counted', { url });
    await handle.emit({ n: 1 });
    await settle();
    expect(server.recorder.requests.map(({ body }) => body.data)).toEqual([{ n: 1 }]);
    allowed.clear();
    expect((await server.trySubscribe('counted', { url: `${url}2` })).error?.code).toBe(INVALID_PARAMS);
  });

  it('SSRF-01 SSRF-08 is never asked about URLs that no allowed origin could make acceptable', async () => {
    const asked: string[] = [];
    const server = webhookServer({ allowedOrigins: (origin) => asked.push(origin) > 0 });
    server.events.define('counted', counted);
    for (const url of [
      'ftp://hooks.test/a',
      'file:///a',
      'http://u:p@hooks.test/a',
      'http://hooks.test/a#b',
      'nothing',
    ]) {
      expect((await server.trySubscribe('counted', { url })).error?.code, url).toBe(INVALID_PARAMS);
    }
    expect(asked).toEqual([]);
    await server.subscribe('counted', { url: 'HTTP://Hooks.Test:80/a' });
    expect(asked).toEqual(['http://hooks.test']);
  });

  it('SSRF-01 allows by nothing but true', async () => {
    const server = webhookServer({ allowedOrigins: (() => Promise.resolve(true)) as unknown as () => boolean });
    server.events.define('counted', counted);
    expect((await server.trySubscribe('counted')).error?.code).toBe(INVALID_PARAMS);
  });
});

describe('a function that has to answer at once', () => {
  const unhandled: unknown[] = [];
  const catchIt = (reason: unknown): void => void unhandled.push(reason);
  beforeEach(() => void process.on('unhandledRejection', catchIt));
  afterEach(() => void process.off('unhandledRejection', catchIt));

  const reject = (() => Promise.reject(new Error('nobody waits for it'))) as () => never;
  it.each<[string, TestWebhookOptions, EventsOptions]>([
    ['allowUrl', { allowUrl: reject, allowedOrigins: [], reachableOrigins: [TRUSTED] }, {}],
    ['allowedOrigins', { allowedOrigins: reject }, {}],
    ['reachableOrigins', { allowedOrigins: [], reachableOrigins: reject }, {}],
    ['dialect', { dialect: reject }, {}],
    ['ordered', { ordered: reject }, {}],
    ['unknownUnsubscribe', { unknownUnsubscribe: reject, dialect: () => 'sketch' }, { dialect: 'sketch' }],
    ['random', { random: reject }, {}],
    ['principal', {}, { principal: reject }],
  ])('HOOK-12 and answers with a promise that is rejected ends nothing: %s', async (_option, webhooks, options) => {
    const server = webhookServer(webhooks, options);
    const handle = server.events.define('counted', counted);
    server.recorder.answer = () => 503;
    await server.trySubscribe('counted');
    await server.unsubscribe('counted', { url: `${TRUSTED}/b` });
    await settle();
    await handle.emit({ n: 1 });
    await settle();
    // Such rejections are told after the microtasks of their turn.
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  });
});

describe('subscriptions()', () => {
  it('DELIV-13 SUB-13 tells where webhook subscriptions are delivered to and whether they are suspended', async () => {
    const server = webhookServer({ suspension: { minAttempts: 2 }, retry: { attempts: 2 } });
    const handle = server.events.define('counted', counted);
    await server.poll('counted', null);
    const { id } = await server.subscribe('counted');
    const [polled] = server.events.subscriptions({ principal: null });
    expect(polled).not.toHaveProperty('url');
    expect(polled).not.toHaveProperty('suspended');
    const info = {
      id,
      mode: 'webhook',
      name: 'counted',
      principal: 'alice',
      arguments: {},
      url: 'http://hooks.test/a',
    };
    expect(server.events.subscriptions({ id })).toEqual([{ ...info, suspended: false }]);
    server.recorder.answer = () => 500;
    await handle.emit({ n: 1 });
    await handle.emit({ n: 2 });
    await settle();
    expect(server.events.subscriptions({ id })).toEqual([{ ...info, suspended: true }]);
    server.recorder.answer = () => undefined;
    await server.subscribe('counted');
    expect(server.events.subscriptions({ id })).toEqual([{ ...info, suspended: false }]);
  });
});

describe('reportLoss', () => {
  it('ENV-03 answers with the cursor that callbacks are told', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    const { cursor: before } = await server.subscribe('counted');
    const cursor = await handle.reportLoss();
    await settle();
    expect(server.recorder.deliveries.map(({ body }) => body)).toMatchObject([{ type: 'gap', cursor }]);
    expect(cursor).not.toBe(before);
  });

  it('CUR-14 answers with null where nothing is replayed', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', { ...counted, replay: false });
    await expect(handle.reportLoss()).resolves.toBeNull();
  });
});
