import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { EventsClient, memoryStore } from '../src/index.ts';
import { batch, occurrence, pending, type RawRequest } from './support/rawServer.ts';
import { Reader, settle, world, type World } from './support/world.ts';

/** Answers polls one after the other, the last answer again and again; notes when each came. */
function script(w: World, answers: unknown[]): { atMs: number[]; cursors: unknown[] } {
  const log = { atMs: [] as number[], cursors: [] as unknown[] };
  const rest = [...answers];
  w.server.on(Methods.poll, ({ params }: RawRequest) => {
    log.atMs.push(w.clock.now());
    log.cursors.push(params['cursor']);
    return rest.length > 1 ? rest.shift() : rest[0];
  });
  return log;
}

const poll = { delivery: 'poll' } as const;
const gapsOf = (times: number[]): number[] => times.slice(1).map((time, index) => time - times[index]!);

describe('poll', () => {
  it('POLL-05 POLL-06 asks again at once while there is more, and then waits nextPollMs, at least the floor', async () => {
    const w = await world();
    const log = script(w, [
      batch([], 'c0', { hasMore: true, nextPollMs: 60_000 }),
      batch(['e1', 'e2'], 'c2', { hasMore: true, nextPollMs: 60_000 }),
      batch(['e3'], 'c3', { nextPollMs: 10 }),
      batch([], 'c3', { nextPollMs: 30_000 }),
      batch([], 'c3', { nextPollMs: 2_500 }),
      batch([], 'c3', { nextPollMs: 2 ** 40 }),
    ]);
    const reader = new Reader(await w.events.subscribe('incident.opened', {}, poll));
    await w.clock.advance(200_000);
    expect(reader.ids).toEqual(['e1', 'e2', 'e3']);
    expect(log.cursors).toEqual([null, 'c0', 'c2', 'c3', 'c3', 'c3']);
    expect(gapsOf(log.atMs)).toEqual([0, 0, 1_000, 30_000, 2_500]);
    await w.events.close();
  });

  it('POLL-06 has a configurable floor, which also stands in for a missing nextPollMs', async () => {
    const w = await world({ pollFloorMs: 7_000 });
    const log = script(w, [{ events: [], cursor: 'c0' }]);
    await w.events.subscribe('incident.opened', {}, poll);
    await w.clock.advance(21_000);
    expect(gapsOf(log.atMs)).toEqual([7_000, 7_000, 7_000]);
    await w.events.close();
  });

  it('POLL-16 waits a day at the longest, however long the server says', async () => {
    const dayMs = 24 * 3_600_000;
    const w = await world();
    const log = script(
      w,
      [dayMs - 1, dayMs, dayMs + 1, 1e15].map((nextPollMs) => batch([], 'c0', { nextPollMs })),
    );
    await w.events.subscribe('incident.opened', {}, poll);
    await w.clock.advance(4 * dayMs);
    expect(gapsOf(log.atMs)).toEqual([dayMs - 1, dayMs, dayMs, dayMs]);
    await w.events.close();
  });

  it('POLL-07 does not follow a promise of more that never comes', async () => {
    for (const answer of [
      batch([], 'c0', { hasMore: true, nextPollMs: 0 }),
      batch(['e1'], 'c0', { hasMore: true, nextPollMs: 0 }),
    ]) {
      const w = await world();
      const log = script(w, [answer]);
      new Reader(await w.events.subscribe('incident.opened', {}, poll));
      await w.clock.advance(20_000);
      expect(log.atMs.length).toBeLessThanOrEqual(23);
      await w.events.close();
    }
  });

  it('POLL-07 bounds empty answers that only move the cursor', async () => {
    const w = await world();
    let polls = 0;
    w.server.on(Methods.poll, () => batch([], `c${(polls += 1)}`, { hasMore: true, nextPollMs: 0 }));
    await w.events.subscribe('incident.opened', {}, poll);
    await w.clock.advance(10_000);
    expect(polls).toBeLessThan(130);
    await w.events.close();
  });

  it('POLL-09 keeps one poll in flight and none while events wait', async () => {
    const w = await world();
    const log = script(w, [batch([], 'c0', { hasMore: true }), batch(['e1', 'e2'], 'c2', { hasMore: true }), pending]);
    const subscription = await w.events.subscribe('incident.opened', {}, poll);
    await w.clock.advance(60_000);
    expect(log.cursors).toEqual([null, 'c0']);
    await subscription.next();
    await w.clock.advance(60_000);
    expect(log.cursors).toEqual([null, 'c0']);
    await subscription.next();
    await w.clock.advance(60_000);
    expect(log.cursors).toEqual([null, 'c0', 'c2']);
    await w.events.close();
  });

  it('POLL-09 CUR-01 stores the batch cursor only after the batch was acknowledged, and repeats nothing acknowledged', async () => {
    const store = memoryStore();
    const first = await world({ store });
    script(first, [batch([], 'c0', { hasMore: true }), batch(['e1', 'e2', 'e3'], 'c3')]);
    const subscription = await first.events.subscribe('incident.opened', {}, poll);
    const handled: string[] = [];
    const failing = async (): Promise<void> => {
      for await (const { eventId } of subscription) {
        if (eventId === 'e2') throw new Error('the application fails here');
        handled.push(eventId);
      }
    };
    await expect(failing()).rejects.toThrow('the application fails here');
    expect(await store.list()).toMatchObject([{ cursor: 'c0', seen: ['e1'] }]);
    await first.events.close();

    const second = await world({ store });
    const log = script(second, [batch(['e1', 'e2', 'e3'], 'c3'), batch([], 'c3')]);
    const [resumed] = await second.events.resume();
    const reader = new Reader(resumed!);
    await settle();
    expect(log.cursors[0]).toBe('c0');
    expect([...handled, ...reader.ids]).toEqual(['e1', 'e2', 'e3']);
    expect(await store.list()).toMatchObject([{ cursor: 'c3', seen: [] }]);
    await second.events.close();
  });

  it('POLL-10 POLL-14 long poll sends timeoutMs, waits nextPollMs after each answer and outlasts the hold', async () => {
    const w = await world();
    // Beyond the SDK's own 60 s; its timer is set, not awaited.
    const asked: (number | undefined)[] = [];
    const client = await w.server.client();
    const request = client.request.bind(client);
    (client as any).request = (message: { method: string }, schema: any, options: { timeout?: number }) => {
      if (message.method === Methods.poll) asked.push(options.timeout);
      return request(message as any, schema, options);
    };
    const events = new EventsClient(client, { clock: w.clock });
    const log = script(w, [batch([], 'c0', { nextPollMs: 3_000 })]);
    await events.subscribe('incident.opened', {}, { ...poll, longPollMs: 90_000 });
    await w.clock.advance(3_000);
    expect(w.server.requests(Methods.poll)[0]!.params['timeoutMs']).toBe(90_000);
    expect(gapsOf(log.atMs)).toEqual([3_000]);
    expect(asked[0]).toBeGreaterThan(90_000);
    await events.close();
  });

  it('sends the request options, and bounds the batch by the buffer when none are given', async () => {
    const w = await world({ maxBufferedEvents: 50 });
    script(w, [batch([], 'c0')]);
    await w.events.subscribe('incident.opened', { n: 1 }, poll);
    await w.events.subscribe('incident.opened', { n: 2 }, { ...poll, maxAgeMs: 60_000, maxEvents: 7 });
    await settle();
    const [first, second] = w.server.requests(Methods.poll).map(({ params }) => params);
    expect(first).toMatchObject({ arguments: { n: 1 }, maxEvents: 50 });
    expect(first).not.toHaveProperty('maxAgeMs');
    expect(first).not.toHaveProperty('timeoutMs');
    expect(second).toMatchObject({ arguments: { n: 2 }, maxEvents: 7, maxAgeMs: 60_000 });
    await w.events.close();
  });

  it('CUR-04 CUR-05 reads a missing cursor as null and polls with null again', async () => {
    const store = memoryStore();
    const w = await world({ store });
    const log = script(w, [{ events: [], truncated: false, hasMore: false, nextPollMs: 1_000 }]);
    await w.events.subscribe('incident.opened', {}, poll);
    await w.clock.advance(1_000);
    expect(log.cursors).toEqual([null, null]);
    expect(await store.list()).toMatchObject([{ cursor: null }]);
    await w.events.close();
  });

  it('CUR-13 CUR-14 tells a gap before the batch that follows it, without extra requests; not without cursors', async () => {
    const w = await world();
    const log = script(w, [
      batch([], null, { truncated: true, nextPollMs: 1_000 }),
      batch(['e1'], 'c1', { truncated: true }),
      batch([], 'c9', { truncated: true }),
      batch([], 'c9'),
    ]);
    const order: unknown[] = [];
    const subscription = await w.events.subscribe(
      'incident.opened',
      {},
      { ...poll, onGap: (gap) => void order.push(gap) },
    );
    const reading = (async () => {
      for await (const event of subscription) order.push(event.eventId);
    })();
    await w.clock.advance(11_000);
    expect(order).toEqual([{ reason: 'truncated', cursor: null }, 'e1', { reason: 'truncated', cursor: 'c9' }]);
    expect(log.cursors).toEqual([null, null, 'c1', 'c9']);
    expect(subscription.cursor).toBe('c9');
    await w.events.close();
    await reading;
  });

  it('skips entries that are no occurrences, and takes a batch far larger than asked for', async () => {
    const w = await world({ maxBufferedEvents: 10 });
    const ids = Array.from({ length: 1_500 }, (_, index) => `e${index}`);
    script(w, [
      batch([], 'c0', { hasMore: true }),
      batch([], 'c1', { events: [null, { eventId: 5 }, occurrence('x', 'other'), ...ids.map((id) => occurrence(id))] }),
      batch([], 'c1'),
    ]);
    const subscription = await w.events.subscribe('incident.opened', {}, poll);
    const reader = new Reader(subscription);
    await settle();
    await settle();
    expect(reader.ids).toEqual(ids);
    expect(subscription.cursor).toBe('c1');
    expect(w.warnings).toHaveLength(3);
    await w.events.close();
  });

  it('treats an unreadable answer as a failure and tries again', async () => {
    const errors: Error[] = [];
    const w = await world();
    const log = script(w, [{ nonsense: true }, { events: [], cursor: 7 }, batch([], 'c0')]);
    const subscription = await w.events.subscribe('incident.opened', {}, { ...poll, onError: (e) => errors.push(e) });
    await w.clock.advance(3_000);
    expect(errors).toMatchObject([{ code: 'MALFORMED_ANSWER' }, { code: 'MALFORMED_ANSWER' }]);
    expect(log.atMs).toHaveLength(3);
    expect(subscription.status.state).toBe('active');
    await w.events.close();
  });

  it('CLIENT-07 cancel stops polling', async () => {
    const w = await world();
    const log = script(w, [batch([], 'c0', { nextPollMs: 1_000 })]);
    const subscription = await w.events.subscribe('incident.opened', {}, poll);
    await w.clock.advance(2_000);
    await subscription.cancel();
    const before = log.atMs.length;
    await w.clock.advance(60_000);
    expect(log.atMs.length).toBe(before);
    expect(w.clock.pendingTimers).toBe(0);
    await w.events.close();
  });
});
