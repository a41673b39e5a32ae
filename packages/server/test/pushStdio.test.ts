import { forbidden } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { kindsOf, pushedNumbers } from './kit/frames.ts';
import { SUBSCRIPTION_ID } from './kit/httpServer.ts';
import { counted, stdioServer } from './kit/servers.ts';
import { Upstream } from './kit/upstream.ts';

describe('opening', () => {
  it('PUSH-01 answers an invalid request with an error and writes no notification', async () => {
    const server = stdioServer();
    server.events.define('polled', { ...counted, delivery: ['poll'] });
    expect((await server.request(1, 'events/stream', { name: 'nothing' }))?.error?.code).toBe(-32023);
    expect((await server.request(2, 'events/stream', { name: 'polled' }))?.error?.code).toBe(-32026);
    expect((await server.request(3, 'events/stream', { name: 'polled', cursor: 1 }))?.error?.code).toBe(-32602);
    expect(server.sent).toHaveLength(3);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('PUSH-02 PUSH-05 PUSH-06 confirms first, then delivers single-line JSON messages with cursors', async () => {
    const server = stdioServer();
    const type = server.events.define('text', { payload: { type: 'object' } });
    expect(await server.request(1, 'events/stream', { name: 'text' })).toBeUndefined();
    const { cursor } = await type.emit({ text: 'two\nlines' });
    await server.idle();
    expect(kindsOf(server.of(1))).toEqual(['active', 'event']);
    const [active, event] = server.of(1);
    expect(active?.params).toMatchObject({ truncated: false, cursor: expect.any(String) });
    expect(event?.params).toMatchObject({ cursor, data: { text: 'two\nlines' } });
    for (const message of server.of(1)) expect(JSON.stringify(message)).not.toContain('\n');
    await server.request(2, 'events/stream', { name: 'text', cursor: active?.params.cursor });
    expect(kindsOf(server.of(2))).toEqual(['active', 'event']);
  });

  it('PUSH-03 keeps two streams apart by value and type of their id', async () => {
    const server = stdioServer();
    const type = server.events.define('counted', counted);
    await server.request(7, 'events/stream', { name: 'counted' });
    await server.request('7', 'events/stream', { name: 'counted' });
    await type.emit({ n: 1 });
    await server.idle();
    for (const id of [7, '7']) {
      expect(kindsOf(server.of(id))).toEqual(['active', 'event']);
      for (const { params } of server.of(id)) expect(params._meta[SUBSCRIPTION_ID]).toBe(id);
    }
    await server.cancel('7');
    await type.emit({ n: 2 });
    await server.idle();
    expect(pushedNumbers(server.of('7'))).toEqual([1]);
    expect(pushedNumbers(server.of(7))).toEqual([1, 2]);
  });

  it('PUSH-16 streams do not keep other requests from being answered', async () => {
    const server = stdioServer();
    server.events.define('counted', counted);
    for (let id = 1; id <= 10; id++) await server.request(id, 'events/stream', { name: 'counted' });
    expect((await server.request(11, 'events/list'))?.result.events).toHaveLength(1);
    expect(server.events.subscriptions()).toHaveLength(10);
  });
});

describe('delivery', () => {
  it('PUSH-07 PUSH-08 tells failures and gaps on the open stream', async () => {
    const server = stdioServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 5_000 });
    await server.request(1, 'events/stream', { name: 'counted' });
    upstream.failures.push(new Error('password=hunter2'));
    upstream.add(1);
    await server.clock.advance(5_000);
    upstream.extra = { events: [], cursor: '0', truncated: true, hasMore: false };
    await server.clock.advance(10_000);
    upstream.extra = {};
    await server.clock.advance(5_000);
    const messages = server.of(1).filter(({ method }) => method !== 'notifications/events/heartbeat');
    expect(kindsOf(messages)).toEqual(['active', 'error', 'active', 'event']);
    expect(messages[2]?.params).toMatchObject({ truncated: true, cursor: 'c0.0' });
    expect(JSON.stringify(messages)).not.toContain('hunter2');
  });

  it('PUSH-09 PUSH-10 PUSH-11 PUSH-12 sends heartbeats with the position', async () => {
    const server = stdioServer();
    const type = server.events.define('counted', { ...counted, match: () => false });
    await server.request(1, 'events/stream', { name: 'counted' });
    const { cursor } = await type.emit({ n: 1 });
    await server.clock.advance(90_000);
    const messages = server.of(1);
    expect(kindsOf(messages)).toEqual(['active', ...Array.from({ length: 6 }, () => 'heartbeat')]);
    expect(messages.at(-1)?.params.cursor).toBe(cursor);
  });

  it('ORDER-01 PUSH-12 a pipe that is not read holds a bounded number of messages, then all follow in order', async () => {
    const server = stdioServer({ limits: { streamBufferBytes: 2_000 } });
    const type = server.events.define('counted', counted);
    await server.request(1, 'events/stream', { name: 'counted' });
    const { unblock } = server.pipe.block();
    for (let n = 0; n < 500; n++) await type.emit({ n });
    await server.idle();
    expect(server.of(1)).toHaveLength(1);
    expect(server.pipe.waiting).toBeLessThan(10);
    unblock();
    await server.idle();
    await server.idle();
    expect(pushedNumbers(server.of(1))).toEqual(Array.from({ length: 500 }, (_, n) => n));
  });

  it('PUSH-09 a pipe that is not read keeps a bounded number of heartbeats, not one per interval', async () => {
    const server = stdioServer({ limits: { streamBufferBytes: 2_000 } });
    server.events.define('counted', counted);
    await server.request(1, 'events/stream', { name: 'counted' });
    const { unblock } = server.pipe.block();
    await server.clock.advance(3_600_000);
    unblock();
    await server.idle();
    expect(server.of(1).length).toBeLessThan(100);
  });
});

describe('end', () => {
  it('PUSH-14 PUSH-15 writes nothing after a stream was cancelled, not even a result, and frees it', async () => {
    const server = stdioServer();
    const type = server.events.define('counted', counted);
    const timers = server.clock.pendingTimers;
    await server.request(1, 'events/stream', { name: 'counted' });
    await server.cancel(1);
    expect(server.events.subscriptions()).toEqual([]);
    expect(server.clock.pendingTimers).toBe(timers);
    await type.emit({ n: 1 });
    await server.clock.advance(60_000);
    expect(kindsOf(server.sent)).toEqual(['active']);
  });

  it('PUSH-14 frees a stream that is cancelled while it waits for the pipe', async () => {
    const server = stdioServer();
    const type = server.events.define('counted', counted);
    await server.request(1, 'events/stream', { name: 'counted' });
    const { unblock } = server.pipe.block();
    for (let n = 0; n < 10; n++) await type.emit({ n });
    await server.cancel(1);
    expect(server.events.subscriptions()).toEqual([]);
    unblock();
    await server.idle();
    // What was on the wire already is all that may arrive.
    expect(server.of(1).length).toBeLessThanOrEqual(2);
  });

  it('PUSH-14 frees everything when the connection ends', async () => {
    const server = stdioServer();
    server.events.define('counted', counted);
    const timers = server.clock.pendingTimers;
    await server.request(1, 'events/stream', { name: 'counted' });
    await server.pipe.close();
    await server.idle();
    expect(server.events.subscriptions()).toEqual([]);
    expect(server.clock.pendingTimers).toBe(timers);
  });

  it('PUSH-03 PUSH-13 ends every stream with its result when the server shuts down, and cancels nothing', async () => {
    const server = stdioServer();
    server.events.define('counted', counted);
    for (const id of [1, '1']) await server.request(id, 'events/stream', { name: 'counted' });
    await server.events.close();
    await server.idle();
    for (const id of [1, '1']) {
      const result = server.sent.find((message) => message.id === id);
      expect(result?.result).toMatchObject({ resultType: 'complete', _meta: { [SUBSCRIPTION_ID]: id } });
    }
    expect(kindsOf(server.sent)).toEqual(['active', 'active', 'result', 'result']);
  });

  it('TERM-01 TERM-09 terminated is followed by the result and nothing else', async () => {
    const server = stdioServer();
    const type = server.events.define('counted', counted);
    await server.request(1, 'events/stream', { name: 'counted' });
    void server.events.terminate({ name: 'counted' }, forbidden('revoked'));
    await type.emit({ n: 1 });
    await server.clock.advance(60_000);
    expect(kindsOf(server.sent)).toEqual(['active', 'terminated', 'result']);
    expect(server.sent[1]?.params.error).toMatchObject({ code: -32024, data: { reason: 'revoked' } });
  });
});
