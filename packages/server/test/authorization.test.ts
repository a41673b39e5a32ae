import { EventsError } from '@mcp-events/protocol';
import { forbidden } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { kindsOf, pushedNumbers } from './kit/frames.ts';
import { authFor } from './kit/httpServer.ts';
import { counted, httpServer, numbersOf, stdioServer } from './kit/servers.ts';

const input = { type: 'object', properties: { repo: { type: 'string' } } };

describe('at each request', () => {
  it('AUTH-01 ERR-03 asks with principal and arguments on each poll and stream', async () => {
    const server = httpServer();
    const asked: unknown[] = [];
    server.events.define('counted', {
      ...counted,
      input,
      authorize: ({ principal, mode, authInfo }, args) => {
        asked.push([principal, mode, authInfo?.token, args]);
        return true;
      },
    });
    const args = { repo: 'a' };
    const { cursor } = await server.poll('counted', null, { arguments: args }, { as: 'ada' });
    await server.poll('counted', cursor, { arguments: args }, { as: 'ada' });
    await server.stream('counted', { arguments: args }, { as: 'bob' });
    expect(asked).toEqual([
      ['ada', 'poll', 'token-of-ada', args],
      ['ada', 'poll', 'token-of-ada', args],
      ['bob', 'push', 'token-of-bob', args],
    ]);
  });

  it('AUTH-01 TERM-01 a poll after access was taken away is Forbidden', async () => {
    const server = httpServer();
    let allowed = true;
    const type = server.events.define('counted', { ...counted, authorize: () => allowed });
    const { cursor } = await server.poll('counted', null, {}, { as: 'ada' });
    await type.emit({ n: 1 });
    allowed = false;
    const answer = await server.call('events/poll', { name: 'counted', cursor }, { as: 'ada' });
    expect(answer.error?.code).toBe(-32024);
    expect(answer.result).toBeUndefined();
    allowed = true;
    expect(numbersOf((await server.poll('counted', cursor, {}, { as: 'ada' })).events)).toEqual([1]);
  });

  it.each([undefined, null, 0, 'yes', 1, {}])('AUTH-01 ERR-03 anything but true is a no: %j', async (answer) => {
    const server = httpServer();
    server.events.define('counted', { ...counted, authorize: () => answer as boolean });
    for (const method of ['events/poll', 'events/stream']) {
      expect((await server.call(method, { name: 'counted' })).error?.code).toBe(-32024);
    }
  });

  it('AUTH-01 an authorize that hangs refuses within its time, as a failure and not as a no', async () => {
    const server = httpServer({ limits: { hookMs: 500 } });
    server.events.define('counted', { ...counted, authorize: () => new Promise<boolean>(() => {}) });
    const asked = server.call('events/stream', { name: 'counted' });
    await server.clock.advance(500);
    expect((await asked).error?.code).toBe(-32603);
    expect(String(server.errors[0]?.error)).toContain('did not finish within 500 ms');
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('AUTH-03 anonymous callers poll and stream where the author does not object', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    await type.emit({ n: 1 });
    expect(numbersOf((await server.poll('counted', cursor)).events)).toEqual([1]);
    expect(pushedNumbers(await stream.arrived())).toEqual([1]);
    expect(server.events.subscriptions().map(({ principal }) => principal)).toEqual([undefined, undefined]);
  });

  it('AUTH-03 on stdio callers are anonymous', async () => {
    const server = stdioServer();
    const asked: unknown[] = [];
    server.events.define('counted', { ...counted, authorize: ({ principal }) => asked.push(principal) > 0 });
    expect((await server.request(1, 'events/poll', { name: 'counted' }))?.result.events).toEqual([]);
    expect(asked).toEqual([undefined]);
  });
});

describe('principal', () => {
  it('AUTH-01 is the subject of the authentication, else a name that separates tokens without showing them', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    await server.stream('counted', {}, { as: 'ada' });
    for (const token of ['one', 'two', 'one']) {
      const authInfo = { ...authFor('x'), token, extra: {} };
      await server.fetch('events/stream', { name: 'counted' }, { authInfo });
    }
    const principals = server.events.subscriptions().map(({ principal }) => principal);
    expect(principals[0]).toBe('ada');
    expect(new Set(principals).size).toBe(3);
    expect(principals[1]).toBe(principals[3]);
    expect(principals.join(' ')).not.toMatch(/one|two/);
  });

  it('AUTH-01 is what the operator says', async () => {
    const server = httpServer({ principal: ({ request }) => request?.headers.get('x-tenant') ?? undefined });
    server.events.define('counted', counted);
    await server.stream('counted', {}, { headers: { 'x-tenant': 'acme' } });
    await server.stream('counted');
    expect(server.events.subscriptions().map(({ principal }) => principal)).toEqual(['acme', undefined]);
  });
});

describe('while delivering', () => {
  it('AUTH-02 TERM-01 asks open streams again and ends those that lost access', async () => {
    const server = httpServer({ reauthorizeIntervalMs: 10_000 });
    const allowed = new Set(['ada', 'bob']);
    const type = server.events.define('counted', {
      ...counted,
      authorize: ({ principal }) => allowed.has(principal ?? ''),
    });
    const [ada, bob] = [
      await server.stream('counted', {}, { as: 'ada' }),
      await server.stream('counted', {}, { as: 'bob' }),
    ];
    await server.clock.advance(10_000);
    expect(server.events.subscriptions()).toHaveLength(2);
    allowed.delete('ada');
    await server.clock.advance(9_999);
    expect(server.events.subscriptions()).toHaveLength(2);
    await server.clock.advance(1);
    await type.emit({ n: 1 });
    const messages = (await ada.rest()).filter(({ method }) => method !== 'notifications/events/heartbeat');
    expect(kindsOf(messages)).toEqual(['active', 'terminated', 'result']);
    expect(messages[1]?.params.error.code).toBe(-32024);
    expect(pushedNumbers(await bob.arrived())).toEqual([1]);
  });

  it('AUTH-02 ends a stream on stdio, too', async () => {
    const server = stdioServer();
    let allowed = true;
    server.events.define('counted', { ...counted, authorize: () => allowed });
    await server.request(1, 'events/stream', { name: 'counted' });
    allowed = false;
    await server.clock.advance(60_000);
    expect(kindsOf(server.of(1)).slice(-2)).toEqual(['terminated', 'result']);
  });

  it('AUTH-02 a failure to ask ends nothing, and a refusal with its own error is told as it is', async () => {
    const server = httpServer({ reauthorizeIntervalMs: 10_000, heartbeatIntervalMs: 30_000 });
    let answer: () => boolean = () => true;
    server.events.define('counted', { ...counted, authorize: () => answer() });
    const stream = await server.stream('counted');
    await stream.take(1);
    answer = () => {
      throw new Error('the directory is down');
    };
    await server.clock.advance(10_000);
    expect(server.events.subscriptions()).toHaveLength(1);
    expect(server.errors).toHaveLength(1);
    answer = () => {
      throw new EventsError('ResourceExhausted', 'The directory was asked too often');
    };
    await server.clock.advance(10_000);
    expect(server.events.subscriptions()).toHaveLength(1);
    answer = () => {
      throw forbidden('contract_ended');
    };
    await server.clock.advance(10_000);
    const ended = (await stream.rest()).find(({ method }) => method === 'notifications/events/terminated');
    expect(ended?.params.error).toMatchObject({ code: -32024, data: { reason: 'contract_ended' } });
  });

  it('AUTH-02 an authorize that hangs for one stream holds up neither the others nor the next round', async () => {
    const server = httpServer({ reauthorizeIntervalMs: 10_000, limits: { hookMs: 1_000 } });
    let revoked = false;
    server.events.define('counted', {
      ...counted,
      authorize: ({ principal }) => {
        if (!revoked) return true;
        return principal === 'slow' ? new Promise<boolean>(() => {}) : false;
      },
    });
    for (const as of ['slow', 'ada']) await server.stream('counted', {}, { as });
    revoked = true;
    await server.clock.advance(10_000);
    expect(server.events.subscriptions().map(({ principal }) => principal)).toEqual(['slow']);
    const { length } = server.errors;
    await server.clock.advance(30_000);
    expect(server.errors.length).toBeGreaterThan(length);
  });

  it('AUTH-02 a stream whose token expired ends as at shutdown: the client comes back with a new one', async () => {
    const server = httpServer({ reauthorizeIntervalMs: 10_000, heartbeatIntervalMs: 30_000 });
    server.events.define('counted', counted);
    const expiresAt = server.clock.now() / 1_000 + 15;
    const authInfo = { ...authFor('ada'), expiresAt };
    const response = await server.fetch('events/stream', { name: 'counted' }, { authInfo });
    await server.clock.advance(10_000);
    expect(server.events.subscriptions()).toHaveLength(1);
    await server.clock.advance(10_000);
    expect(server.events.subscriptions()).toEqual([]);
    const text = await response.text();
    expect(text).not.toContain('terminated');
    expect(text).toContain('"resultType":"complete"');
  });

  it('AUTH-02 stops asking when the server closes', async () => {
    const server = httpServer({ reauthorizeIntervalMs: 10_000 });
    let asked = 0;
    server.events.define('counted', { ...counted, authorize: () => ++asked > 0 });
    await server.stream('counted');
    await server.events.close();
    await server.clock.advance(100_000);
    await settle();
    expect(asked).toBe(1);
    expect(server.clock.pendingTimers).toBe(0);
  });
});
