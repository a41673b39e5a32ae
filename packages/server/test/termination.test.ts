import { EventsError, forbidden, unsupported } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { kindsOf, pushedNumbers } from './kit/frames.ts';
import { counted, httpServer, numbersOf, stdioServer } from './kit/servers.ts';

const withOptional = { ...counted.payload, properties: { ...counted.payload.properties, note: { type: 'string' } } };

describe('by the server', () => {
  it('TERM-01 TERM-09 tells the same error to streams and polls, then ends the stream with its result', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null, {}, { as: 'ada' });
    const stream = await server.stream('counted', {}, { as: 'ada' });
    await type.emit({ n: 1 });
    expect(await server.events.terminate({ principal: 'ada' }, forbidden('revoked'))).toBe(2);
    await type.emit({ n: 2 });
    const messages = await stream.rest();
    expect(kindsOf(messages)).toEqual(['active', 'event', 'terminated', 'result']);
    const polled = await server.call('events/poll', { name: 'counted', cursor }, { as: 'ada' });
    expect(polled.result).toBeUndefined();
    expect(polled.error).toEqual(messages[2]?.params.error);
    expect(polled.error).toMatchObject({ code: -32024, data: { reason: 'revoked' } });
    expect(server.events.subscriptions()).toEqual([]);
    // Whether it may come back is for authorize to say: nothing was said against it.
    expect(numbersOf((await server.poll('counted', cursor, {}, { as: 'ada' })).events)).toEqual([1, 2]);
  });

  it('TERM-01 tells each of several clients that poll, once, wherever they are', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, nextPollMs: 1_000 });
    const poll = async (cursor: unknown): Promise<{ cursor: string; code: unknown }> => {
      const { result, error } = await server.call('events/poll', { name: 'counted', cursor }, { as: 'ada' });
      return { cursor: result?.cursor, code: error?.code };
    };
    const { cursor: start } = await poll(null);
    await type.emit({ n: 1 });
    // None of these begins: each goes on from what it was answered before.
    const going: (() => Promise<string[]>)[] = [
      async () => [(await poll(start)).cursor, (await poll(start)).cursor],
      async () => {
        const { cursor } = await poll(start);
        // Nothing happens for a while, and nobody moves.
        for (let round = 0; round < 20; round++) {
          for (const _client of [1, 2]) {
            await server.clock.advance(500);
            expect((await poll(cursor)).cursor).toBe(cursor);
          }
        }
        return [cursor, cursor];
      },
      async () => {
        const { cursor } = await poll(start);
        await type.emit({ n: 2 });
        return [cursor, (await poll(start)).cursor];
      },
    ];
    for (const go of going) {
      await server.clock.advance(86_400_000);
      const cursors = await go();
      void server.events.terminate({}, forbidden());
      const codes = async (): Promise<unknown[]> => {
        const answers = [];
        for (const cursor of cursors) answers.push((await poll(cursor)).code);
        return answers;
      };
      expect(await codes()).toEqual([-32024, -32024]);
      expect(await codes()).toEqual([undefined, undefined]);
    }
  });

  it('TERM-01 a client whose answers are lost is told about as often as it came lately', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, nextPollMs: 1_000, leaseMs: 5_000 });
    const poll = async (cursor: unknown): Promise<{ cursor: string; code: unknown }> => {
      const { result, error } = await server.call('events/poll', { name: 'counted', cursor }, { as: 'ada' });
      return { cursor: result?.cursor, code: error?.code };
    };
    const { cursor } = await poll(null);
    await type.emit({ n: 1 });
    for (let attempt = 0; attempt < 50; attempt++) {
      await poll(cursor);
      await server.clock.advance(1_000);
    }
    void server.events.terminate({}, forbidden());
    let told = 0;
    while ((await poll(cursor)).code === -32024) told++;
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThanOrEqual(5);
  });

  it('TERM-01 restricts by every member of the filter, also beside an id', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    await server.stream('counted', {}, { as: 'ada' });
    const [{ id } = { id: '' }] = server.events.subscriptions();
    expect(await server.events.terminate({ id, principal: 'bob' }, forbidden())).toBe(0);
    expect(await server.events.terminate({ id, name: 'other' }, forbidden())).toBe(0);
    expect(await server.events.terminate({ id, name: 'counted', principal: 'ada' }, forbidden())).toBe(1);
  });

  it('TERM-01 ends only what the filter names', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const other = server.events.define('other', counted);
    const ada = await server.stream('counted', {}, { as: 'ada' });
    const bob = await server.stream('counted', {}, { as: 'bob' });
    const elsewhere = await server.stream('other', {}, { as: 'ada' });
    expect(await server.events.terminate({ name: 'counted', principal: 'ada' }, forbidden())).toBe(1);
    expect(await server.events.terminate({ name: 'counted', principal: 'ada' }, forbidden())).toBe(0);
    await type.emit({ n: 1 });
    await other.emit({ n: 2 });
    expect(kindsOf(await ada.rest())).toEqual(['active', 'terminated', 'result']);
    expect(pushedNumbers(await bob.arrived())).toEqual([1]);
    expect(pushedNumbers(await elsewhere.arrived())).toEqual([2]);
    const [subscription] = server.events.subscriptions({ principal: 'bob' });
    expect(await server.events.terminate({ id: subscription?.id }, forbidden())).toBe(1);
    expect(kindsOf(await bob.rest())).toEqual(['terminated', 'result']);
  });

  it('TERM-09 writes what was emitted before the end ahead of it, and nothing after', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted');
    await stream.take(1);
    await type.emit({ n: 1 });
    void server.events.terminate({}, forbidden());
    void server.events.terminate({}, forbidden());
    await server.clock.advance(60_000);
    expect(kindsOf(await stream.rest())).toEqual(['event', 'terminated', 'result']);
  });

  it.each([
    [new EventsError('NotFound', 'The repository is gone', { data: { kind: 'event' } }), -32023],
    [forbidden('revoked'), -32024],
    [unsupported('payloadSchema', { reason: 'schema_changed' }), -32026],
  ])('TERM-01 a check ends the subscription with an error that is final: %s', async (error, code) => {
    const server = httpServer();
    let broken = false;
    server.events.define('counted', {
      ...counted,
      nextPollMs: 1_000,
      check: () => {
        if (broken) throw error;
        return { events: [], cursor: '0' };
      },
    });
    const stream = await server.stream('counted');
    broken = true;
    await server.clock.advance(1_000);
    const messages = await stream.rest();
    expect(kindsOf(messages).slice(-2)).toEqual(['terminated', 'result']);
    expect(messages.at(-2)?.params.error.code).toBe(code);
    expect((await server.call('events/poll', { name: 'counted', cursor: 'c0.0' })).error?.code).toBe(code);
    expect(server.errors).toEqual([]);
  });
});

describe('by a change of the type', () => {
  it('TERM-02 removal ends everything with NotFound for the event', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    type.remove();
    const messages = await stream.rest();
    expect(kindsOf(messages)).toEqual(['active', 'terminated', 'result']);
    expect(messages[1]?.params.error).toMatchObject({ code: -32023, data: { kind: 'event' } });
    const polled = await server.call('events/poll', { name: 'counted', cursor });
    expect(polled.error).toMatchObject({ code: -32023, data: { kind: 'event' } });
    expect((await server.result('events/list')).events).toEqual([]);
    await expect(type.emit({ n: 1 })).rejects.toThrow('was removed');
    expect(() => type.update(counted)).toThrow('was removed');
    type.remove();
  });

  it.each([
    ['payloadSchema', { payload: { type: 'object', properties: { n: { type: 'string' } }, required: ['n'] } }],
    ['inputSchema', { ...counted, input: { type: 'object', required: ['level'] } }],
  ])('TERM-03 an incompatible %s ends everything with Unsupported', async (feature, changed) => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    await type.emit({ n: 1 });
    (type as { update(definition: object): void }).update(changed);
    const messages = await stream.rest();
    expect(kindsOf(messages)).toEqual(['active', 'event', 'terminated', 'result']);
    const error = { code: -32026, data: { feature, reason: 'schema_changed' } };
    expect(messages[2]?.params.error).toMatchObject(error);
    const args = { level: 1 };
    if (feature === 'payloadSchema') {
      // TERM-01: the one who polls learns the same, once.
      expect((await server.call('events/poll', { name: 'counted', cursor })).error).toMatchObject(error);
    }
    const resumed = await server.poll('counted', cursor, { arguments: args });
    // Events of the old form are no events of the new one. What arguments say changes nothing about events.
    const kept =
      feature === 'inputSchema' ? { events: [{ data: { n: 1 } }], truncated: false } : { events: [], truncated: true };
    expect(resumed).toMatchObject(kept);
    expect((await server.stream('counted', { arguments: args })).ended).toBe(false);
  });

  it('TERM-04 an additive change ends nothing, and live subscriptions get events of the new form', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    await type.emit({ n: 1 });
    type.update({ ...counted, payload: withOptional, description: 'Counts' });
    await type.emit({ n: 2, note: 'new' });
    await expect(type.emit({ n: 3, note: 4 })).rejects.toThrow('violates');
    const messages = await stream.arrived();
    expect(kindsOf(messages)).toEqual(['active', 'event', 'event']);
    expect(messages[2]?.params.data).toEqual({ n: 2, note: 'new' });
    expect(await server.poll('counted', cursor)).toMatchObject({ truncated: false, events: [{}, {}] });
    expect((await server.result('events/list')).events[0]).toMatchObject({
      description: 'Counts',
      payloadSchema: withOptional,
    });
  });

  it('TERM-04 an additive change on stdio ends nothing', async () => {
    const server = stdioServer();
    const type = server.events.define('counted', counted);
    await server.request(1, 'events/stream', { name: 'counted' });
    type.update({ ...counted, payload: withOptional });
    await type.emit({ n: 1, note: 'new' });
    await server.idle();
    expect(kindsOf(server.of(1))).toEqual(['active', 'event']);
  });

  it('TERM-04 rules that are replaced apply to live subscriptions from then on', async () => {
    const server = httpServer();
    const input = { type: 'object', properties: { n: { type: 'integer' } } };
    const type = server.events.define('counted', { ...counted, input });
    const stream = await server.stream('counted', { arguments: { n: 2 } });
    await type.emit({ n: 1 });
    type.update({ ...counted, input, filter: { n: 'n' } });
    for (const n of [1, 2]) await type.emit({ n });
    type.update({ ...counted, input, match: (_context, event) => event.data['n'] === 3 });
    for (const n of [2, 3]) await type.emit({ n });
    expect(pushedNumbers(await stream.arrived())).toEqual([1, 2, 3]);
  });

  it('TERM-01 ERR-05 a mode that is withdrawn ends its subscriptions, not those of other modes', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    type.update({ ...counted, delivery: ['poll'] });
    await type.emit({ n: 1 });
    const messages = await stream.rest();
    expect(messages[1]?.params.error).toMatchObject({ code: -32026, data: { feature: 'deliveryMode', value: 'push' } });
    expect(numbersOf((await server.poll('counted', cursor)).events)).toEqual([1]);
    type.update({ ...counted, delivery: ['push'] });
    const polled = await server.call('events/poll', { name: 'counted', cursor });
    expect(polled.error).toMatchObject({ code: -32026, data: { feature: 'deliveryMode', value: 'poll' } });
  });

  it.each([
    ['emitted to checked', {}, { check: () => ({ events: [], cursor: '0' }) }],
    ['checked to emitted', { check: () => ({ events: [], cursor: '0' }) }, {}],
    ['replayed to live', {}, { replay: false }],
  ])('TERM-04 refuses a change from %s, and leaves everything as it was', async (_change, before, after) => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, ...before });
    const stream = await server.stream('counted');
    expect(() => type.update({ ...counted, ...after })).toThrow('cannot change where its events come from');
    expect(() => type.update({ ...counted, payload: { type: 'nonsense' } })).toThrow(TypeError);
    expect(kindsOf(await stream.arrived())).toEqual(['active']);
    expect((await server.result('events/list')).events).toHaveLength(1);
  });

  it.each(['events/stream', 'events/poll'])(
    'TERM-02 TERM-03 AUTH-01 %s: what changes while permission is asked is looked at anew',
    async (method) => {
      const server = httpServer();
      const answers: ((allowed: boolean) => void)[] = [];
      const authorize = (): Promise<boolean> => new Promise((resolve) => answers.push(resolve));
      const handle = server.events.define('counted', { ...counted, authorize });
      const removed = server.call(method, { name: 'counted', cursor: null });
      await settle();
      handle.remove();
      answers.shift()?.(true);
      expect((await removed).error).toMatchObject({ code: -32023, data: { kind: 'event' } });

      const again = server.events.define('counted', { ...counted, authorize });
      const changed = server.call(method, { name: 'counted', cursor: null });
      await settle();
      again.update({ ...counted, authorize: () => false });
      answers.shift()?.(true);
      expect((await changed).error).toMatchObject({ code: -32024 });

      again.update({ ...counted, authorize });
      const closed = server.call(method, { name: 'counted', cursor: null });
      await settle();
      await server.events.close();
      answers.shift()?.(true);
      expect((await closed).error).toMatchObject({ code: -32603 });
      expect(server.events.subscriptions()).toEqual([]);
    },
  );

  it('TERM-02 refuses to define a name twice', () => {
    const server = httpServer();
    server.events.define('counted', counted);
    expect(() => server.events.define('counted', counted)).toThrow('is defined already');
  });
});

describe('of the server', () => {
  it('PUSH-13 TERM-01 close ends everything, and what comes later is told to try again', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    await server.events.close();
    await server.events.close();
    // Not terminated: the client may come back after a restart.
    expect(kindsOf(await stream.rest())).toEqual(['active', 'result']);
    for (const method of ['events/poll', 'events/stream']) {
      expect((await server.call(method, { name: 'counted', cursor })).error?.code).toBe(-32603);
    }
    await expect(type.emit({ n: 1 })).rejects.toThrow('after close()');
    expect(server.clock.pendingTimers).toBe(0);
    expect(server.events.subscriptions()).toEqual([]);
  });
});
