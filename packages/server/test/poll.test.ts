import { pollResultSchema } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { FakeClock } from './kit/fakeClock.ts';
import type { TestServer } from './kit/httpServer.ts';
import { counted, httpServer, numbersOf, stdioServer } from './kit/servers.ts';
import { keptStorage } from './kit/storage.ts';
import { Upstream } from './kit/upstream.ts';

/** All batches from `cursor` on, the way a client with a stored cursor reads them. */
async function batches(server: TestServer, cursor: string, maxEvents: number): Promise<[unknown[], boolean][]> {
  const read: [unknown[], boolean][] = [];
  for (let more = true, at = cursor; more;) {
    const result = await server.poll('counted', at, { maxEvents });
    read.push([numbersOf(result.events), result.hasMore]);
    ({ cursor: at, hasMore: more } = result);
  }
  return read;
}

describe('position', () => {
  it('POLL-02 CUR-02 a null cursor asks for the position of now, without older events', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    await type.emit({ n: 1 });
    const start = await server.poll('counted', null);
    expect(start).toMatchObject({ events: [], truncated: false, hasMore: false });
    await type.emit({ n: 2 });
    expect(numbersOf((await server.poll('counted', start.cursor)).events)).toEqual([2]);
  });

  it('POLL-02 CUR-02 on stdio and for a check, too', async () => {
    const server = stdioServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check });
    upstream.add(1);
    const start = await server.request(1, 'events/poll', { name: 'counted', cursor: null });
    expect(start?.result).toMatchObject({ events: [], truncated: false, hasMore: false });
    upstream.add(2);
    const next = await server.request(2, 'events/poll', { name: 'counted', cursor: start?.result.cursor });
    expect(numbersOf(next?.result.events)).toEqual([2]);
  });

  it('POLL-02 CUR-03 an absent cursor means the same as null', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    await type.emit({ n: 1 });
    const result = await server.result('events/poll', { name: 'counted' });
    expect(result).toMatchObject({ events: [], truncated: false, cursor: expect.any(String) });
  });

  it('POLL-03 has every member, also when there is no event', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, nextPollMs: 2_000 });
    const empty = await server.poll('counted', null);
    const still = await server.poll('counted', empty.cursor);
    await type.emit({ n: 1 });
    const filled = await server.poll('counted', empty.cursor);
    for (const result of [empty, still, filled]) {
      expect(pollResultSchema.safeParse(result).success).toBe(true);
      expect(result).toMatchObject({
        cursor: expect.any(String),
        truncated: false,
        hasMore: false,
        nextPollMs: 2_000,
        resultType: 'complete',
      });
    }
    expect(still.cursor).toBe(empty.cursor);
    expect(filled.cursor).not.toBe(empty.cursor);
  });

  it('POLL-03 tells the interval that the upstream asks for', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 2_000 });
    const { cursor, nextPollMs } = await server.poll('counted', null);
    expect(nextPollMs).toBe(2_000);
    upstream.extra = { nextPollMs: 30_000 };
    expect((await server.poll('counted', cursor)).nextPollMs).toBe(30_000);
    expect((await server.poll('counted', null)).nextPollMs).toBe(30_000);
  });
});

describe('batches', () => {
  it('POLL-04 limits the batch and says whether there is more', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    for (const n of [1, 2, 3, 4, 5]) await type.emit({ n });
    expect(await batches(server, cursor, 2)).toEqual([
      [[1, 2], true],
      [[3, 4], true],
      [[5], false],
    ]);
    expect(await batches(server, cursor, 5)).toEqual([[[1, 2, 3, 4, 5], false]]);
  });

  it('POLL-04 applies the server’s own limits when the client names none, or a larger one', async () => {
    const server = httpServer({ limits: { defaultEventsPerPoll: 2, maxEventsPerPoll: 3 } });
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    for (const n of [1, 2, 3, 4]) await type.emit({ n });
    const byDefault = await server.poll('counted', cursor);
    expect([numbersOf(byDefault.events), byDefault.hasMore]).toEqual([[1, 2], true]);
    const asked = await server.poll('counted', cursor, { maxEvents: 1_000_000 });
    expect([numbersOf(asked.events), asked.hasMore]).toEqual([[1, 2, 3], true]);
  });

  it.each([
    ['addressable', true],
    ['not addressable', false],
  ])('POLL-04 loses nothing of a check that returns more than fits: %s', async (_kind, addressable) => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.addressable = addressable;
    upstream.add(1, 2, 3, 4, 5);
    server.events.define('counted', { ...counted, check: upstream.check });
    expect(await batches(server, 'c0.0', 2)).toEqual([
      [[1, 2], true],
      [[3, 4], true],
      [[5], false],
    ]);
  });

  it('POLL-04 goes on after a rest that was cut when the upstream has grown meanwhile', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.add(1, 2, 3);
    server.events.define('counted', { ...counted, check: upstream.check });
    const first = await server.poll('counted', 'c0.0', { maxEvents: 2 });
    upstream.add(4, 5);
    const second = await server.poll('counted', first.cursor, { maxEvents: 10 });
    expect([numbersOf(first.events), numbersOf(second.events)]).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    expect((await server.poll('counted', second.cursor)).events).toEqual([]);
  });

  it('POLL-04 follows an upstream with pages of its own', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.pageSize = 2;
    upstream.add(1, 2, 3, 4, 5, 6, 7);
    server.events.define('counted', { ...counted, check: upstream.check });
    expect(await batches(server, 'c0.0', 3)).toEqual([
      [[1, 2, 3], true],
      [[4, 5, 6], true],
      [[7], false],
    ]);
  });

  it('POLL-04 says there is no more for an upstream that promises more without moving', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.extra = { hasMore: true };
    server.events.define('counted', { ...counted, check: upstream.check });
    expect(await server.poll('counted', 'c0.0')).toMatchObject({ events: [], hasMore: false });
  });

  it('POLL-04 CUR-07 moves on in bounded steps over a long stretch of events for others', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, match: (_context, event) => event.data['n'] === 7_000 });
    const { cursor } = await server.poll('counted', null);
    for (let n = 0; n <= 7_000; n++) await type.emit({ n });
    const first = await server.poll('counted', cursor);
    expect(first).toMatchObject({ events: [], hasMore: true, truncated: false });
    const second = await server.poll('counted', first.cursor);
    expect(numbersOf(second.events)).toEqual([7_000]);
  });

  it('ORDER-01 POLL-04 gives every event once and in order, whatever the batch sizes', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    let { cursor } = await server.poll('counted', null);
    const seen: unknown[] = [];
    let next = 0;
    for (let round = 0; round < 60; round++) {
      for (let k = 0; k < (round * 7) % 33; k++) await type.emit({ n: next++ });
      const result = await server.poll('counted', cursor, { maxEvents: 1 + ((round * 13) % 29) });
      seen.push(...numbersOf(result.events));
      ({ cursor } = result);
    }
    for (const [numbers] of await batches(server, cursor, 100)) seen.push(...numbers);
    expect(next).toBeGreaterThan(900);
    expect(seen).toEqual(Array.from({ length: next }, (_, n) => n));
  });
});

describe('statelessness', () => {
  it('POLL-01 ORDER-03 alternating between two servers that share only the upstream loses nothing', async () => {
    const upstream = new Upstream();
    const servers = [httpServer(), httpServer()];
    for (const { events } of servers) events.define('counted', { ...counted, check: upstream.check });
    let { cursor } = await (servers[0] as TestServer).poll('counted', null);
    const seen: unknown[] = [];
    for (let round = 0; round < 10; round++) {
      upstream.add(round * 2, round * 2 + 1);
      const result = await (servers[round % 2] as TestServer).poll('counted', cursor, { maxEvents: 3 });
      seen.push(...numbersOf(result.events));
      ({ cursor } = result);
    }
    expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  it('POLL-01 ORDER-03 a restarted server over the same log goes on where the cursor stands', async () => {
    const storage = keptStorage(new FakeClock());
    const first = httpServer({ storage });
    const type = first.events.define('counted', counted);
    const { cursor } = await first.poll('counted', null);
    await type.emit({ n: 1 });
    const seen = await first.poll('counted', cursor, { maxEvents: 1 });
    await type.emit({ n: 2 });
    await first.close();
    const second = httpServer({ storage });
    const again = second.events.define('counted', counted);
    await again.emit({ n: 3 });
    const resumed = await second.poll('counted', seen.cursor);
    expect(numbersOf(resumed.events)).toEqual([2, 3]);
    expect(resumed.truncated).toBe(false);
  });

  it('POLL-01 asking twice with the same cursor gives the same answer', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    await type.emit({ n: 1 });
    const [once, twice] = [await server.poll('counted', cursor), await server.poll('counted', cursor)];
    expect(twice).toEqual(once);
  });

  it('POLL-01 one request serves exactly one name with one set of arguments', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      ...counted,
      input: { type: 'object', properties: { odd: { type: 'boolean' } } },
      match: (_context, event, args) =>
        args['odd'] === undefined || args['odd'] === (Number(event.data['n']) % 2 === 1),
    });
    const other = server.events.define('other', counted);
    const { cursor } = await server.poll('counted', null);
    for (const n of [1, 2, 3]) await type.emit({ n });
    await other.emit({ n: 100 });
    const polled = async (args: object): Promise<unknown[]> =>
      numbersOf((await server.poll('counted', cursor, { arguments: args })).events);
    expect(await polled({ odd: true })).toEqual([1, 3]);
    expect(await polled({ odd: false })).toEqual([2]);
    expect(await polled({})).toEqual([1, 2, 3]);
  });
});

describe('failures', () => {
  it('POLL-08 an unknown name is one error for the whole request; a gap is a result', async () => {
    const server = httpServer();
    server.events.define('counted', { ...counted, retention: { maxCount: 1 } });
    const answer = await server.call('events/poll', { name: 'nothing', cursor: null });
    expect(answer.result).toBeUndefined();
    expect(answer.error).toMatchObject({ code: -32023, data: { kind: 'event' } });
    const stale = await server.call('events/poll', { name: 'counted', cursor: 'of another time' });
    expect(stale.error).toBeUndefined();
    expect(stale.result).toMatchObject({ events: [], truncated: true, cursor: expect.any(String) });
  });

  it('POLL-08 a source that fails is one error that tells nothing of its cause, and the poll can be repeated', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check });
    upstream.add(1);
    upstream.failures.push(new Error('password=hunter2'));
    const failed = await server.call('events/poll', { name: 'counted', cursor: 'c0.0' });
    expect(failed.error?.code).toBe(-32603);
    expect(JSON.stringify(failed)).not.toContain('hunter2');
    expect(server.errors).toEqual([{ error: new Error('password=hunter2'), stage: 'check' }]);
    expect(numbersOf((await server.poll('counted', 'c0.0')).events)).toEqual([1]);
  });

  it('POLL-08 an event whose match fails is passed over and told as a gap', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      ...counted,
      match: (_context, event) => {
        if (event.data['n'] === 2) throw new Error('cannot say');
        return true;
      },
    });
    const { cursor } = await server.poll('counted', null);
    for (const n of [1, 2, 3]) await type.emit({ n });
    const result = await server.poll('counted', cursor);
    expect(numbersOf(result.events)).toEqual([1, 3]);
    expect(result.truncated).toBe(true);
    expect(await server.poll('counted', result.cursor)).toMatchObject({ events: [], truncated: false });
  });
});
