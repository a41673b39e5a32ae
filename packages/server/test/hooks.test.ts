import type { EventContext, EventTypeDefinition } from '@mcp-events/server';
import { forbidden } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { settle } from './kit/fakeClock.ts';
import { authFor } from './kit/httpServer.ts';
import { counted, httpServer, stdioServer } from './kit/servers.ts';
import { Upstream } from './kit/upstream.ts';

/** Hooks that write down what they were called with. */
class Recorder {
  readonly log: string[] = [];
  readonly contexts: EventContext[] = [];
  readonly ids: string[] = [];

  get definition(): EventTypeDefinition {
    return {
      ...counted,
      input: { type: 'object' },
      onSubscribe: (context, args) => {
        this.#write('subscribe', context, args);
        this.ids.push(context.subscriptionId);
      },
      onUnsubscribe: (context, args) => this.#write('unsubscribe', context, args),
    };
  }

  #write(what: string, context: EventContext, args: unknown): void {
    this.contexts.push(context);
    this.log.push(`${what} ${context.mode} ${context.principal ?? '-'} ${JSON.stringify(args)}`);
  }
}

/** A server whose `onSubscribe` lasts until it is let go on. */
function provisioning(): { server: ReturnType<typeof httpServer>; log: string[]; provision: () => void } {
  const server = httpServer();
  const log: string[] = [];
  let provisioned = (): void => {};
  server.events.define('counted', {
    ...counted,
    onSubscribe: () => new Promise<void>((resolve) => (provisioned = resolve)),
    onUnsubscribe: () => void log.push('unsubscribe'),
  });
  return { server, log, provision: () => provisioned() };
}

describe('both modes', () => {
  it('HOOK-01 run with context, arguments and the same subscription id at begin and end', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    server.events.define('counted', recorder.definition);
    const args = { repo: 'a' };
    const stream = await server.stream('counted', { arguments: args }, { as: 'ada' });
    await server.poll('counted', null, { arguments: args }, { as: 'ada' });
    expect(server.events.subscriptions()).toEqual([
      { id: recorder.ids[0], mode: 'push', name: 'counted', principal: 'ada', arguments: args },
      { id: recorder.ids[1], mode: 'poll', name: 'counted', principal: 'ada', arguments: args },
    ]);
    stream.abort();
    await settle();
    await server.clock.advance(60_000);
    expect(recorder.log).toEqual([
      'subscribe push ada {"repo":"a"}',
      'subscribe poll ada {"repo":"a"}',
      'unsubscribe push ada {"repo":"a"}',
      'unsubscribe poll ada {"repo":"a"}',
    ]);
    const [pushId, pollId] = recorder.ids;
    expect(recorder.contexts.map(({ subscriptionId }) => subscriptionId)).toEqual([pushId, pollId, pushId, pollId]);
    expect(recorder.contexts[0]?.authInfo?.token).toBe('token-of-ada');
    expect(recorder.contexts[0]).not.toHaveProperty('request');
  });

  it('HOOK-01 get the arguments with defaults filled in', async () => {
    const server = httpServer();
    const seen: unknown[] = [];
    server.events.define('counted', {
      payload: z.object({ n: z.int() }),
      input: z.object({ severity: z.enum(['high', 'low']).default('high') }),
      onSubscribe: (_context, args) => void seen.push(args),
    });
    await server.stream('counted');
    await server.poll('counted', null, { arguments: { severity: 'low' } });
    expect(seen).toEqual([{ severity: 'high' }, { severity: 'low' }]);
  });

  it('HOOK-01 a refusal by onSubscribe leaves nothing and calls no counterpart', async () => {
    const server = httpServer();
    const ended: string[] = [];
    let refuse = true;
    server.events.define('counted', {
      ...counted,
      onSubscribe: () => {
        if (refuse) throw forbidden('no_camera');
      },
      onUnsubscribe: ({ mode }) => void ended.push(mode),
    });
    for (const method of ['events/stream', 'events/poll']) {
      expect((await server.call(method, { name: 'counted' })).error).toMatchObject({ data: { reason: 'no_camera' } });
    }
    expect(server.events.subscriptions()).toEqual([]);
    await server.clock.advance(600_000);
    expect(ended).toEqual([]);
    refuse = false;
    await server.poll('counted', null);
    await server.stream('counted');
    expect(server.events.subscriptions()).toHaveLength(2);
  });

  it('HOOK-01 an onUnsubscribe that fails or hangs is reported and holds up nothing', async () => {
    const server = httpServer({ limits: { hookMs: 1_000 } });
    let calls = 0;
    server.events.define('counted', {
      ...counted,
      onUnsubscribe: () => {
        if (calls++ === 0) throw new Error('cannot let go');
        return new Promise<void>(() => {});
      },
    });
    const [first, second] = [await server.stream('counted'), await server.stream('counted')];
    first.abort();
    await settle();
    second.abort();
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
    await server.clock.advance(1_000);
    expect(server.errors.map(({ stage }) => stage)).toEqual(['onUnsubscribe', 'onUnsubscribe']);
  });

  it('HOOK-08 a limit that is reached provisions nothing', async () => {
    const server = httpServer({ limits: { subscriptionsPerPrincipal: 1 } });
    const recorder = new Recorder();
    server.events.define('counted', recorder.definition);
    await server.stream('counted', {}, { as: 'ada' });
    for (const method of ['events/stream', 'events/poll']) {
      expect((await server.call(method, { name: 'counted' }, { as: 'ada' })).error?.code).toBe(-32025);
    }
    expect(recorder.log).toEqual(['subscribe push ada {}']);
  });

  it('HOOK-08 AUTH-01 a refusal by authorize provisions nothing', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    server.events.define('counted', { ...recorder.definition, authorize: () => false });
    for (const method of ['events/stream', 'events/poll']) await server.call(method, { name: 'counted' });
    expect(recorder.log).toEqual([]);
  });
});

describe('push', () => {
  it.each([
    'client aborts',
    'body is cancelled',
    'server terminates',
    'type is removed',
    'handler closes',
    'events close',
  ] as const)('HOOK-02 onUnsubscribe runs once when the %s', async (reason) => {
    const server = httpServer();
    const recorder = new Recorder();
    const type = server.events.define('counted', recorder.definition);
    const stream = await server.stream('counted');
    const ends: Record<typeof reason, () => unknown> = {
      'client aborts': () => stream.abort(),
      'body is cancelled': () => stream.cancel(),
      'server terminates': () => server.events.terminate({}, forbidden()),
      'type is removed': () => type.remove(),
      'handler closes': () => server.handler.close(),
      'events close': () => server.events.close(),
    };
    await ends[reason]();
    await settle();
    expect(recorder.log).toEqual(['subscribe push - {}', 'unsubscribe push - {}']);
    stream.abort();
    await server.close();
    expect(recorder.log).toHaveLength(2);
  });

  it('HOOK-02 on stdio onUnsubscribe runs once when a stream is cancelled and when the connection ends', async () => {
    const server = stdioServer();
    const recorder = new Recorder();
    server.events.define('counted', recorder.definition);
    await server.request(1, 'events/stream', { name: 'counted' });
    await server.request(2, 'events/stream', { name: 'counted' });
    await server.cancel(1);
    expect(recorder.log.filter((entry) => entry.startsWith('unsubscribe'))).toHaveLength(1);
    await server.pipe.close();
    await server.idle();
    expect(recorder.log.filter((entry) => entry.startsWith('unsubscribe'))).toHaveLength(2);
  });

  it('HOOK-02 a stream that ends while onSubscribe runs gets its counterpart when that is done, once', async () => {
    const { server, log, provision } = provisioning();
    const opening = server.call('events/stream', { name: 'counted' });
    await settle();
    void server.events.terminate({}, forbidden('revoked'));
    await settle();
    expect(log).toEqual([]);
    provision();
    expect((await opening).error).toMatchObject({ code: -32024, data: { reason: 'revoked' } });
    expect(log).toEqual(['unsubscribe']);
  });
});

describe('poll leases', () => {
  it('HOOK-04 one that ends while onSubscribe runs gets its counterpart when that is done, once', async () => {
    const { server, log, provision } = provisioning();
    const polling = server.call('events/poll', { name: 'counted', cursor: null });
    await settle();
    void server.events.terminate({}, forbidden('revoked'));
    await settle();
    expect(log).toEqual([]);
    provision();
    expect((await polling).error).toMatchObject({ code: -32024, data: { reason: 'revoked' } });
    await server.clock.advance(3_600_000);
    expect(log).toEqual(['unsubscribe']);
  });

  it('HOOK-01 HOOK-04 end with what is known of the one that polled last', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    server.events.define('counted', { ...recorder.definition, leaseMs: 10_000 });
    for (const token of ['first', 'second']) {
      await server.poll('counted', null, {}, { authInfo: { ...authFor('ada'), token } });
    }
    await server.clock.advance(20_000);
    expect(recorder.log).toEqual(['subscribe poll ada {}', 'unsubscribe poll ada {}']);
    expect(recorder.contexts.map(({ authInfo }) => authInfo?.token)).toEqual(['first', 'second']);
  });

  it('HOOK-04 the first poll subscribes, later ones renew, silence unsubscribes', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    server.events.define('counted', { ...recorder.definition, leaseMs: 10_000 });
    let { cursor } = await server.poll('counted', null);
    for (let round = 0; round < 5; round++) {
      await server.clock.advance(9_000);
      ({ cursor } = await server.poll('counted', cursor));
    }
    expect(recorder.log).toEqual(['subscribe poll - {}']);
    await server.clock.advance(9_999);
    expect(recorder.log).toHaveLength(1);
    await server.clock.advance(1);
    expect(recorder.log).toEqual(['subscribe poll - {}', 'unsubscribe poll - {}']);
    expect(server.events.subscriptions()).toEqual([]);
    await server.poll('counted', cursor);
    expect(recorder.log).toHaveLength(3);
  });

  it('HOOK-04 leases of different length expire each at its time', async () => {
    const server = httpServer();
    const log: string[] = [];
    const timers = server.clock.pendingTimers;
    for (const [name, leaseMs] of [
      ['slow', 30_000],
      ['quick', 10_000],
      ['middle', 20_000],
    ] as const) {
      server.events.define(name, { ...counted, leaseMs, onUnsubscribe: () => void log.push(name) });
      await server.poll(name, null);
    }
    await server.clock.advance(10_000);
    expect(log).toEqual(['quick']);
    await server.clock.advance(10_000);
    expect(log).toEqual(['quick', 'middle']);
    await server.clock.advance(10_000);
    expect(log).toEqual(['quick', 'middle', 'slow']);
    expect(server.clock.pendingTimers).toBe(timers);
  });

  it('HOOK-04 parallel first polls subscribe once', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    server.events.define('counted', {
      ...recorder.definition,
      authorize: async () => {
        await settle(2);
        return true;
      },
    });
    await Promise.all(Array.from({ length: 5 }, () => server.poll('counted', null)));
    expect(recorder.log).toEqual(['subscribe poll - {}']);
  });

  it('HOOK-05 the key is principal, name and canonical arguments', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    server.events.define('counted', recorder.definition);
    server.events.define('other', recorder.definition);
    const same = { a: 1, b: { c: [1, 2], d: null } };
    const reordered = { b: { d: null, c: [1, 2] }, a: 1 };
    for (const args of [same, reordered]) await server.poll('counted', null, { arguments: args });
    expect(recorder.log).toHaveLength(1);
    // Absent and empty are the same.
    await server.result('events/poll', { name: 'counted' });
    await server.poll('counted', null, { arguments: {} });
    expect(recorder.log).toHaveLength(2);
    await server.poll('counted', null, { arguments: { ...same, a: '1' } });
    await server.poll('other', null, { arguments: same });
    await server.poll('counted', null, { arguments: same }, { as: 'ada' });
    await server.poll('counted', null, { arguments: same }, { as: 'bob' });
    expect(recorder.log).toHaveLength(6);
    expect(new Set(recorder.ids).size).toBe(6);
  });

  it('HOOK-05 anonymous callers share one lease, principals do not', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    server.events.define('counted', recorder.definition);
    for (const options of [{}, {}, { as: 'ada' }, { as: 'bob' }, { as: 'ada' }]) {
      await server.poll('counted', null, {}, options);
    }
    expect(recorder.log).toEqual(['subscribe poll - {}', 'subscribe poll ada {}', 'subscribe poll bob {}']);
  });

  it('HOOK-06 by default a client that waits nextPollMs, even with some delay, never lapses', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    server.events.define('counted', { ...recorder.definition, nextPollMs: 30_000 });
    let { cursor } = await server.poll('counted', null);
    for (let round = 0; round < 5; round++) {
      await server.clock.advance(61_000);
      ({ cursor } = await server.poll('counted', cursor));
    }
    expect(recorder.log).toHaveLength(1);
    await server.clock.advance(30_000 * 3);
    expect(recorder.log).toHaveLength(2);
  });

  it('HOOK-04 HOOK-06 nor where the clock is set forward', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    server.events.define('counted', { ...recorder.definition, nextPollMs: 1_000 });
    const { cursor } = await server.poll('counted', null);
    server.clock.jump(3_600_000);
    await server.clock.advance(1_000);
    await server.poll('counted', cursor);
    expect(recorder.log).toHaveLength(1);
    await server.clock.advance(3_000);
    expect(recorder.log).toHaveLength(2);
  });

  it('HOOK-04 and one that nobody polls ends, also where the clock is set back', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    server.events.define('counted', { ...recorder.definition, nextPollMs: 1_000 });
    await server.poll('counted', null);
    server.clock.jump(-86_400_000);
    await server.clock.advance(3_000);
    expect(recorder.log).toHaveLength(2);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('HOOK-06 also where the upstream asks for a longer interval than the type', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    const upstream = new Upstream();
    upstream.extra = { nextPollMs: 120_000 };
    server.events.define('counted', { ...recorder.definition, check: upstream.check, nextPollMs: 1_000 });
    let { cursor, nextPollMs } = await server.poll('counted', null);
    for (let round = 0; round < 3; round++) {
      await server.clock.advance(nextPollMs);
      ({ cursor, nextPollMs } = await server.poll('counted', cursor));
    }
    expect(recorder.log).toEqual(['subscribe poll - {}']);
    await server.clock.advance(3_600_000);
    expect(recorder.log).toHaveLength(2);
  });

  it('HOOK-06 POLL-11 a poll that is held for long does not lapse while it is held', async () => {
    const server = httpServer({ limits: { maxPollHoldMs: 60_000 } });
    const recorder = new Recorder();
    server.events.define('counted', { ...recorder.definition, leaseMs: 1_000 });
    const { cursor } = await server.poll('counted', null);
    const held = server.poll('counted', cursor, { timeoutMs: 60_000 });
    await server.clock.advance(60_000);
    await held;
    expect(recorder.log).toEqual(['subscribe poll - {}']);
  });

  it('HOOK-06 a lease outlasts a poll whose upstream is slower than the lease', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    let respond = (): void => {};
    server.events.define('counted', {
      ...recorder.definition,
      leaseMs: 1_000,
      check: async () => {
        await new Promise<void>((resolve) => (respond = resolve));
        return { events: [], cursor: '0' };
      },
    });
    const polling = server.poll('counted', null);
    await server.clock.advance(5_500);
    respond();
    await polling;
    await server.clock.advance(999);
    expect(recorder.log).toEqual(['subscribe poll - {}']);
    await server.clock.advance(1);
    expect(recorder.log).toEqual(['subscribe poll - {}', 'unsubscribe poll - {}']);
  });

  it('TERM-01 a poll that is authorized while its subscription is ended gets the error, not events', async () => {
    const server = httpServer();
    let decide = (): void => {};
    let slow = false;
    server.events.define('counted', {
      ...counted,
      authorize: async () => {
        if (slow) await new Promise<void>((resolve) => (decide = resolve));
        return true;
      },
    });
    const { cursor } = await server.poll('counted', null);
    slow = true;
    const polling = server.call('events/poll', { name: 'counted', cursor });
    await settle();
    void server.events.terminate({}, forbidden('revoked'));
    decide();
    expect((await polling).error).toMatchObject({ code: -32024, data: { reason: 'revoked' } });
  });

  it('HOOK-07 a restarted server subscribes again at the next poll', async () => {
    const recorder = new Recorder();
    const upstream = new Upstream();
    const first = httpServer();
    first.events.define('counted', { ...recorder.definition, check: upstream.check });
    const { cursor } = await first.poll('counted', null);
    await first.close();
    await settle();
    const second = httpServer();
    second.events.define('counted', { ...recorder.definition, check: upstream.check });
    expect(await second.poll('counted', cursor)).toMatchObject({ truncated: false });
    expect(recorder.log).toEqual(['subscribe poll - {}', 'unsubscribe poll - {}', 'subscribe poll - {}']);
    // The same subscription has the same id in every run.
    expect(new Set(recorder.ids).size).toBe(1);
  });

  it('HOOK-04 TERM-01 a terminated lease unsubscribes at once, and only once', async () => {
    const server = httpServer();
    const recorder = new Recorder();
    server.events.define('counted', recorder.definition);
    await server.poll('counted', null);
    void server.events.terminate({}, forbidden());
    await settle();
    expect(recorder.log).toEqual(['subscribe poll - {}', 'unsubscribe poll - {}']);
    await server.clock.advance(600_000);
    expect(recorder.log).toHaveLength(2);
  });
});

describe('onSubscribe that does not end in time', () => {
  /** A poll, and what the hooks did; each `onSubscribe` takes as long as the next of `delaysMs`, and fails where it is negative. */
  function slowHooks(delaysMs: number[]) {
    const server = httpServer();
    const calls: string[] = [];
    let count = 0;
    server.events.define('counted', {
      ...counted,
      onSubscribe: async (_context, args) => {
        const number = ++count;
        const delayMs = delaysMs.shift() ?? 0;
        args['mine'] = number;
        await new Promise<void>((resolve) => server.clock.setTimeout(resolve, Math.abs(delayMs)));
        if (delayMs < 0) throw new Error('refused');
        calls.push(`provisioned ${number}`);
      },
      onUnsubscribe: (_context, args) => void calls.push(`released ${JSON.stringify(args)}`),
    });
    const poll = async () => server.call('events/poll', { name: 'counted', cursor: null });
    return { server, calls, poll };
  }

  it('HOOK-01 HOOK-10 gets its counterpart when it has succeeded after all', async () => {
    const { server, calls, poll } = slowHooks([11_000]);
    const answer = poll();
    await server.clock.advance(10_000);
    expect((await answer).error?.code).toBe(-32603);
    expect(calls).toEqual([]);
    await server.clock.advance(600_000);
    expect(calls).toEqual(['provisioned 1', 'released {}']);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('HOOK-10 gets none when it fails after all', async () => {
    const { server, calls, poll } = slowHooks([-11_000]);
    void poll();
    await server.clock.advance(600_000);
    expect(calls).toEqual([]);
  });

  it('HOOK-10 ends before the next of the same subscription begins, and takes nothing of it away', async () => {
    const { server, calls, poll } = slowHooks([11_000, 100]);
    const first = poll();
    await server.clock.advance(10_000);
    expect((await first).error?.code).toBe(-32603);
    const second = poll();
    await server.clock.advance(2_000);
    expect((await second).error).toBeUndefined();
    expect(calls).toEqual(['provisioned 1', 'released {}', 'provisioned 2']);
    expect(server.events.subscriptions()).toHaveLength(1);
    await server.clock.advance(600_000);
    expect(calls).toEqual(['provisioned 1', 'released {}', 'provisioned 2', 'released {}']);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('HOOK-04 HOOK-10 a late refusal leaves the lease that came after it alone', async () => {
    const server = httpServer({ limits: { subscriptionsPerPrincipal: 1 } });
    const calls: string[] = [];
    let refuse = (): void => {};
    let first = true;
    server.events.define('counted', {
      ...counted,
      onSubscribe: () => {
        calls.push('subscribe');
        if (!first) return undefined;
        first = false;
        return new Promise<void>((_resolve, reject) => (refuse = () => reject(new Error('refused'))));
      },
      onUnsubscribe: () => void calls.push('unsubscribe'),
    });
    const polling = server.call('events/poll', { name: 'counted', cursor: null }, { as: 'alice' });
    await settle();
    void server.events.terminate({ principal: 'alice' }, forbidden('revoked'));
    const next = [await server.call('events/poll', { name: 'counted', cursor: null }, { as: 'alice' })];
    next.push(await server.call('events/poll', { name: 'counted', cursor: null }, { as: 'alice' }));
    refuse();
    await polling;
    expect(server.events.subscriptions()).toHaveLength(1);
    await server.clock.advance(600_000);
    expect(server.events.subscriptions()).toEqual([]);
    expect(calls).toEqual(['subscribe', 'subscribe', 'unsubscribe']);
    expect(
      (await server.call('events/poll', { name: 'counted', cursor: null }, { as: 'alice' })).error,
    ).toBeUndefined();
  });
});
