import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { unreachable } from '../src/connection/unreachable.ts';
import { EventsClient, eventsClientCapabilities, memoryStore, type EventsClientOptions } from '../src/index.ts';
import { FakeClock } from './support/fakeClock.ts';
import { FakeReceiver } from './support/fakeReceiver.ts';
import { RawServer } from './support/rawServer.ts';
import { noJitter, settle } from './support/world.ts';

const NAME = 'incident.opened';
const refused = (): Error =>
  new TypeError('fetch failed', { cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) });
const http401 = (): Error => Object.assign(new Error('HTTP 401'), { name: 'SdkHttpError', status: 401 });

function down(options: EventsClientOptions = {}) {
  const server = new RawServer();
  const clock = new FakeClock();
  const way = { connect: (): Promise<Client> => Promise.reject(refused()) };
  const events = new EventsClient(() => way.connect(), { clock, random: noJitter, ...options });
  return { server, clock, events, way, up: () => (way.connect = () => server.client()) };
}

function over(url: string, options: object = {}): EventsClient {
  const connect = async (): Promise<Client> => {
    const client = new Client(
      { name: 'test', version: '1.0.0' },
      { versionNegotiation: { mode: 'auto' }, capabilities: eventsClientCapabilities },
    );
    await client.connect(new StreamableHTTPClientTransport(new URL(url), options));
    return client;
  };
  return new EventsClient(connect, { clock: new FakeClock() });
}

describe('subscribe() rejects with what is no outage:', () => {
  it.each([
    ['JSON of something else', 200, { 'content-type': 'application/json' }, '{"status":"ok"}'],
    ['a scope that is missing', 403, { 'www-authenticate': 'Bearer error="insufficient_scope", scope="a"' }, ''],
  ])('%s', async (_case, status, headers, body) => {
    const server = createServer((_request, response) => response.writeHead(status, headers).end(body));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const events = over(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
    await expect(events.subscribe(NAME)).rejects.toThrow();
    await events.close();
    server.closeAllConnections();
    server.close();
  });

  it('mistakes in the address and in the headers', async () => {
    for (const events of [
      over('localhost:3000/mcp'),
      over('http://127.0.0.1:9/mcp', { requestInit: { headers: { authorization: 'Bearer a\nb' } } }),
    ]) {
      await expect(events.subscribe(NAME)).rejects.toThrow();
      await events.close();
    }
  });

  it('whatever others wait for', async () => {
    const w = down();
    await w.events.subscribe(NAME, { n: 1 });
    w.way.connect = () => Promise.reject(http401());
    await w.clock.advance(1_000);
    await expect(w.events.subscribe(NAME, { n: 2 })).rejects.toMatchObject({ status: 401 });
    await w.events.close();
  });
});

it('browsers tell a failure of the network without a cause', async () => {
  for (const message of [
    'Failed to fetch',
    'NetworkError when attempting to fetch resource.',
    'Load failed',
    'error sending request for url (http://127.0.0.1:4000/mcp)',
  ]) {
    const w = down();
    w.way.connect = () => Promise.reject(new TypeError(message));
    expect((await w.events.subscribe(NAME)).status.state).toBe('waiting');
    await w.events.close();
  }
});

it('an outage is told with a cause that has no code', () => {
  const error = unreachable(new TypeError('fetch failed', { cause: new Error('unknown scheme') }));
  expect(error.message).toBe('The server cannot be reached: fetch failed (unknown scheme)');
});

describe('a server that is back', () => {
  it('is not waited for any longer than until anybody reached it', async () => {
    const w = down();
    await w.events.subscribe(NAME, { n: 1 });
    await w.clock.advance(100_000);
    w.up();
    await w.events.list();
    await settle();
    expect(w.server.streams()).toHaveLength(1);
    await expect(w.events.subscribe('unknown')).rejects.toMatchObject({ errorName: 'NotFound' });
    await w.events.close();
    expect(w.clock.pendingTimers).toBe(0);
  });

  it('is not told as down to a subscription whose record was being stored meanwhile', async () => {
    const inner = memoryStore();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const w = down({
      store: {
        ...inner,
        save: async (key, record) => {
          if (record.arguments['n'] === 2) await held;
          await inner.save(key, record);
        },
      },
    });
    await w.events.subscribe(NAME, { n: 1 });
    const second = w.events.subscribe(NAME, { n: 2 });
    await settle();
    w.up();
    await w.clock.advance(1_000);
    release();
    await second;
    await settle();
    expect(w.server.streams()).toHaveLength(2);
    await w.events.close();
  });
});

it('resume() leaves out what subscribe() starts meanwhile, and resumes the rest', async () => {
  const store = memoryStore();
  for (const n of [1, 2]) {
    const key = `{"arguments":{"n":${n}},"name":"${NAME}"}`;
    await store.save(key, { name: NAME, arguments: { n }, cursor: 'c1', seen: [] });
  }
  const w = down({ store });
  let fail: (error: Error) => void = () => {};
  w.way.connect = () => new Promise((_resolve, reject) => (fail = reject));
  const subscribing = w.events.subscribe(NAME, { n: 1 });
  const resuming = w.events.resume();
  resuming.catch(() => {});
  await settle();
  fail(refused());
  await subscribing;
  expect(await resuming).toHaveLength(1);
  expect(w.events.subscriptions).toHaveLength(2);
  await w.events.close();
});

describe('nobody waits for a connection that never comes', () => {
  const never = (): Promise<Client> => new Promise(() => {});

  it('a subscription whose signal aborts', async () => {
    const w = down();
    w.way.connect = never;
    const stop = new AbortController();
    const subscribing = w.events.subscribe(NAME, {}, { signal: stop.signal });
    await settle();
    stop.abort();
    expect((await subscribing).status.state).toBe('stopped');
    await w.events.close();
    expect(w.clock.pendingTimers).toBe(0);
  }, 2_000);

  it('list() and capability() of a closed client', async () => {
    const w = down();
    w.way.connect = never;
    const calls = [w.events.list(), w.events.capability()];
    for (const call of calls) call.catch(() => {});
    await settle();
    await w.events.close();
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'CLOSED' });
  }, 2_000);
});

it('a log that throws ends nothing', async () => {
  const throwing = (): never => {
    throw new Error('log');
  };
  const w = down({ onWarning: throwing });
  const subscription = await w.events.subscribe(NAME, {}, { onStatus: throwing });
  await w.clock.advance(10_000);
  expect(subscription.status.state).toBe('waiting');
  await w.events.close();
});

it('cancel() warns of what an earlier process left at a server that cannot be told', async () => {
  const store = memoryStore();
  const key = `{"arguments":{},"name":"${NAME}"}`;
  await store.save(key, { name: NAME, arguments: {}, cursor: 'c5', seen: [], webhook: { path: 'earlier', seen: [] } });
  const warnings: string[] = [];
  const webhook = { receiver: new FakeReceiver(), url: 'https://agent.example/hooks' };
  const w = down({ store, webhook, onWarning: (message) => void warnings.push(message) });
  const [subscription] = await w.events.resume();
  await subscription!.cancel();
  expect(warnings).toEqual([expect.stringContaining('was not told')]);
  await w.events.close();
});
