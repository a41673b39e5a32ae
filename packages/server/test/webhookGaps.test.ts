import { forbidden, ORDER_META_KEY } from '@mcp-events/protocol';
import type { EventHandle } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { Deployment } from './kit/deployment.ts';
import { settle } from './kit/fakeClock.ts';
import type { RecordedRequest } from './kit/recorder.ts';
import { counted } from './kit/servers.ts';
import { keptStorage } from './kit/storage.ts';
import { postedNumbers, webhookServer } from './kit/webhookServer.ts';
import type { WebhookTestServer } from './kit/webhookServer.ts';

const QUARTER_MS = 900_000;

/** A server that gives up its first event, and whose gaps are refused until `takesGaps`. */
async function serverWithGap(): Promise<{
  server: WebhookTestServer;
  handle: EventHandle;
  /** Where the client was before. */
  before: string;
  endpoint: { takesGaps: boolean };
}> {
  const server = webhookServer();
  const handle = server.events.define('counted', counted);
  const endpoint = { takesGaps: false };
  server.recorder.answer = ({ body }) => {
    if (body.type === 'gap') return endpoint.takesGaps ? undefined : 500;
    return body.data.n === 1 ? 500 : undefined;
  };
  const { cursor: before } = await server.subscribe('counted', { ttlMs: 3_600_000 });
  await handle.emit({ n: 1 });
  return { server, handle, before, endpoint };
}

function orderOf({ body }: RecordedRequest): unknown {
  return body._meta?.[ORDER_META_KEY];
}

describe('a gap that is not told yet', () => {
  it('DELIV-11 ENV-03 holds back the cursor of every event behind it', async () => {
    const { server, handle, before, endpoint } = await serverWithGap();
    await server.clock.advance(QUARTER_MS / 2);
    expect(await server.events.deadLetters()).toHaveLength(1);
    await handle.emit({ n: 2 });
    await settle();
    expect(server.recorder.events.at(-1)!.body).toMatchObject({ data: { n: 2 }, cursor: before });
    endpoint.takesGaps = true;
    await server.clock.advance(QUARTER_MS);
    const next = await handle.emit({ n: 3 });
    await settle();
    expect(server.recorder.events.at(-1)!.body.cursor).toBe(next.cursor);
  });

  it('DELIV-11 SUB-14 does so when its retries are used up, until the client was told', async () => {
    const { server, handle, before, endpoint } = await serverWithGap();
    await server.clock.advance(2 * QUARTER_MS);
    const gaps = server.recorder.envelopes('gap').length;
    await handle.emit({ n: 2 });
    await settle();
    expect(server.recorder.events.at(-1)!.body.cursor).toBe(before);
    const refreshed = await server.subscribe('counted', { ttlMs: 3_600_000 });
    // Whoever gets this answer may go on behind the gap.
    expect(refreshed).toMatchObject({ truncated: true });
    expect(refreshed.cursor).not.toBe(before);
    // It may have been lost, so an envelope goes out again, and holds back the cursor until it is taken.
    expect(server.recorder.envelopes('gap').length).toBe(gaps + 1);
    await handle.emit({ n: 3 });
    await settle();
    expect(server.recorder.events.at(-1)!.body.cursor).toBe(before);
    endpoint.takesGaps = true;
    await server.clock.advance(QUARTER_MS);
    expect(await server.subscribe('counted')).toMatchObject({ truncated: false });
    const last = await handle.emit({ n: 4 });
    await settle();
    expect(server.recorder.events.at(-1)!.body.cursor).toBe(last.cursor);
  });

  it.each([
    ['at once', 0],
    ['when retries are used up again', 2 * QUARTER_MS],
  ])(
    'SUB-11 is known to whoever comes with the cursor of that answer, %s, also if gaps are never taken',
    async (_, ms) => {
      const { server, handle, before } = await serverWithGap();
      await server.clock.advance(2 * QUARTER_MS);
      const { cursor: told } = await server.subscribe('counted', { ttlMs: 7_200_000 });
      const second = await handle.emit({ n: 2 });
      await server.clock.advance(ms);
      const refreshed = await server.subscribe('counted', { cursor: told!, ttlMs: 7_200_000 });
      expect(refreshed).toMatchObject({ truncated: false, cursor: second.cursor });
      const gaps = server.recorder.envelopes('gap').length;
      const third = await handle.emit({ n: 3 });
      await server.clock.advance(2 * QUARTER_MS);
      expect(server.recorder.events.at(-1)!.body.cursor).toBe(third.cursor);
      expect(server.recorder.envelopes('gap')).toHaveLength(gaps);
      expect(await server.subscribe('counted', { cursor: before })).toMatchObject({ truncated: false });
    },
  );

  it('DELIV-12 OP-14 was told with bytes that do not change when the client turns out to know of it', async () => {
    const { server, handle } = await serverWithGap();
    await server.clock.advance(2 * QUARTER_MS);
    // Given up while the envelope that follows is tried.
    await handle.emit({ n: 1 });
    await server.clock.advance(120_000);
    const { cursor: told } = await server.subscribe('counted', { ttlMs: 86_400_000 });
    await settle();
    const sentSoFar = server.recorder.envelopes('gap').length;
    while ((await server.events.deadLetters()).length < 2) await server.clock.advance(1_000);
    const sentMeanwhile = server.recorder.envelopes('gap').at(-1)!.headers['webhook-id'];
    await server.subscribe('counted', { cursor: told!, ttlMs: 86_400_000 });
    await server.clock.advance(QUARTER_MS);
    const bodies = new Map<string, Set<string>>();
    for (const { headers, text } of server.recorder.envelopes('gap')) {
      const id = headers['webhook-id']!;
      bodies.set(id, (bodies.get(id) ?? new Set()).add(text));
    }
    expect([...bodies.values()].map(({ size }) => size)).toEqual(Array.from(bodies, () => 1));
    const later = server.recorder.envelopes('gap').slice(sentSoFar).at(-1)!;
    // Another envelope, and only of what is not known.
    expect(later.headers['webhook-id']).not.toBe(sentMeanwhile);
    const second = orderOf(server.recorder.events.at(-1)!) as { position: string };
    expect((orderOf(later) as { missing: unknown[] }).missing).toMatchObject([{ position: second.position }]);
  });

  it('SUB-11 is not known to who comes with another cursor, nor one that was found later', async () => {
    const { server, handle, before } = await serverWithGap();
    await server.clock.advance(2 * QUARTER_MS);
    const { cursor: told } = await server.subscribe('counted', { ttlMs: 86_400_000 });
    const refreshed = await server.subscribe('counted', { cursor: before, ttlMs: 86_400_000 });
    expect(refreshed).toMatchObject({ truncated: false, cursor: before });
    await handle.emit({ n: 1 });
    // Within the hour that is granted at most.
    await server.clock.advance(2 * QUARTER_MS);
    expect(await server.events.deadLetters()).toHaveLength(2);
    const again = await server.subscribe('counted', { cursor: told!, ttlMs: 86_400_000 });
    expect(again.truncated).toBe(true);
    expect(again.cursor).not.toBe(told);
  });

  it('SUB-11 DELIV-11 is not known to who comes with the cursor of that answer where it is the one from before the gap', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    let takesGaps = false;
    server.recorder.answer = ({ body }) => {
      if (body.type === 'gap') return takesGaps ? undefined : 500;
      if (body.data.n === 1) return { status: 503, headers: { 'retry-after': '880' } };
      return body.data.n === 2 ? 500 : undefined;
    };
    const { cursor: before } = await server.subscribe('counted', { ttlMs: 3_600_000 });
    await handle.emit({ n: 1 });
    await handle.emit({ n: 2 });
    // The second event and the gap it leaves are given up before the first one is tried again.
    await server.clock.advance(870_000);
    expect(await server.events.deadLetters()).toHaveLength(1);
    const told = await server.subscribe('counted', { cursor: before, ttlMs: 3_600_000 });
    expect(told).toMatchObject({ truncated: true, cursor: before });
    await server.subscribe('counted', { cursor: before, ttlMs: 3_600_000 });
    const gaps = server.recorder.envelopes('gap').length;
    takesGaps = true;
    await server.clock.advance(5_000);
    expect(server.recorder.envelopes('gap')).toHaveLength(gaps + 1);
  });

  it('ENV-03 is told again by itself once the endpoint answers, and not with every event', async () => {
    const { server, handle, endpoint } = await serverWithGap();
    await server.clock.advance(2 * QUARTER_MS);
    const gaps = server.recorder.envelopes('gap').length;
    endpoint.takesGaps = true;
    await handle.emit({ n: 2 });
    await settle();
    expect(server.recorder.envelopes('gap').length).toBe(gaps + 1);
    await handle.emit({ n: 3 });
    await settle();
    expect(server.recorder.envelopes('gap').length).toBe(gaps + 1);
  });

  it('ORDER-02 names what is missing, in its place, so that nobody waits for it', async () => {
    const { server, handle, endpoint } = await serverWithGap();
    const second = await handle.emit({ n: 2 });
    endpoint.takesGaps = true;
    await server.clock.advance(QUARTER_MS);
    const [first] = server.recorder.events;
    const { position } = orderOf(first!) as { position: string };
    const [gap] = server.recorder.envelopes('gap');
    expect(orderOf(gap!)).toEqual({ missing: [{ position, previous: null }] });
    // Nothing else is outstanding, so the client may go on behind everything that was sent.
    expect(gap!.body.cursor).toBe(second.cursor);
  });

  it('ORDER-02 takes a place in the order when nobody knows what is missing', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    await handle.emit({ n: 1 });
    await settle();
    await handle.reportLoss();
    await handle.emit({ n: 2 });
    await settle();
    const [first, second] = server.recorder.events.map((event) => orderOf(event) as { [member: string]: string });
    const [gap] = server.recorder.envelopes('gap');
    const place = { position: gap!.body.cursor, previous: first!['position'] };
    expect(orderOf(gap!)).toEqual({ missing: [place] });
    expect(second!['previous']).toBe(place.position);
  });

  it('OP-13 SUB-14 holds back the cursor after a restart, too', async () => {
    const deployment = new Deployment();
    const storage = keptStorage(deployment.clock);
    const first = deployment.start({}, { storage });
    const handle = first.events.define('emitted', counted);
    first.recorder.answer = () => 500;
    const { cursor: before } = await first.subscribe('emitted', { ttlMs: null });
    await handle.emit({ n: 1 });
    await deployment.clock.advance(2 * QUARTER_MS);
    await first.events.close();
    const second = deployment.start({}, { storage });
    second.recorder.answer = ({ body }) => (body.type === 'gap' ? 500 : undefined);
    const again = second.events.define('emitted', counted);
    await settle();
    await again.emit({ n: 2 });
    await settle();
    expect(second.recorder.envelopes('gap')).toHaveLength(1);
    expect(second.recorder.events.map(({ body }) => [body.data.n, body.cursor])).toEqual([[2, before]]);
    expect((await second.subscribe('emitted')).cursor).toBe(before);
  });

  it('OP-13 DELIV-11 does not hold back where a later run goes on, however many follow', async () => {
    const deployment = new Deployment();
    const storage = keptStorage(deployment.clock);
    const first = deployment.start({}, { storage });
    const handle = first.events.define('emitted', counted);
    first.recorder.answer = ({ body }) => (body.type === 'gap' || body.data.n === 1 ? 500 : undefined);
    await first.subscribe('emitted', { ttlMs: null });
    await handle.emit({ n: 1 });
    await deployment.clock.advance(2 * QUARTER_MS);
    await handle.emit({ n: 2 });
    await settle();
    await first.events.close();
    const { gapAfter } = deployment.store.records[0]!;
    const second = deployment.start({}, { storage });
    second.recorder.answer = ({ body }) => (body.type === 'gap' ? 500 : undefined);
    const again = second.events.define('emitted', counted);
    await settle();
    const last = await again.emit({ n: 3 });
    await settle();
    await second.events.close();
    expect(deployment.store.records[0]).toMatchObject({ cursor: last.cursor, gapAfter });
    const third = deployment.start({}, { storage });
    third.events.define('emitted', counted);
    await settle();
    expect(postedNumbers(third)).toEqual([]);
    expect(third.recorder.envelopes('gap')).toHaveLength(1);
  });

  it('OP-13 CUR-09 loses nothing more over restarts where the client began with a cursor that says nothing', async () => {
    const deployment = new Deployment();
    const storage = keptStorage(deployment.clock);
    const first = deployment.start({}, { storage });
    const handle = first.events.define('emitted', counted);
    first.recorder.answer = () => 500;
    expect(await first.subscribe('emitted', { ttlMs: null, cursor: 'unknown' })).toMatchObject({ truncated: true });
    await handle.emit({ n: 1 });
    await settle();
    await first.events.close();
    const second = deployment.start({}, { storage });
    second.recorder.answer = () => 500;
    second.events.define('emitted', counted);
    await settle();
    await second.events.close();
    const third = deployment.start({}, { storage });
    third.events.define('emitted', counted);
    await settle();
    expect(postedNumbers(third)).toEqual([1]);
  });

  it('DELIV-16 ENV-05 is not told behind the end of its subscription', async () => {
    const { server } = await serverWithGap();
    await server.clock.advance(2 * QUARTER_MS);
    server.recorder.answer = () => undefined;
    void server.events.terminate({}, forbidden('revoked'));
    await server.clock.advance(QUARTER_MS);
    expect(server.recorder.deliveries.at(-1)!.body.type).toBe('terminated');
  });

  it('DELIV-11 DIALECT-13 holds back the cursor of a peer of the older dialect, until a refresh tells it', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    server.recorder.answer = ({ body }) => (body.data.n === 1 ? 500 : undefined);
    const options = { ttlMs: 3_600_000, declare: false };
    const { cursor: before } = await server.subscribe('counted', options);
    await handle.emit({ n: 1 });
    await server.clock.advance(QUARTER_MS);
    expect(await server.events.deadLetters()).toHaveLength(1);
    await handle.emit({ n: 2 });
    await settle();
    expect(server.recorder.events.at(-1)!.body).toMatchObject({ data: { n: 2 }, cursor: before });
    expect(await server.subscribe('counted', options)).toMatchObject({ truncated: true });
    const last = await handle.emit({ n: 3 });
    await settle();
    expect(server.recorder.events.at(-1)!.body).toMatchObject({ data: { n: 3 }, cursor: last.cursor });
  });

  it('DIALECT-13 OP-11 is told once to a peer of the older dialect, also when an envelope was on its way', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    server.recorder.answer = ({ body }) => (body.type === 'gap' || body.data.n === 1 ? 500 : undefined);
    const options = { ttlMs: 3_600_000, declare: false };
    await server.subscribe('counted', options);
    await handle.emit({ n: 1 });
    await server.clock.advance(QUARTER_MS / 3);
    await handle.reportLoss();
    await server.clock.advance(QUARTER_MS / 3);
    expect(await server.events.deadLetters()).toHaveLength(1);
    expect(await server.subscribe('counted', options)).toMatchObject({ truncated: true });
    await server.clock.advance(QUARTER_MS);
    expect(await server.subscribe('counted', options)).toMatchObject({ truncated: false });
  });

  it('DIALECT-13 OP-13 is not told once more after a crash to a peer of the older dialect that was told', async () => {
    const deployment = new Deployment();
    const options = { ttlMs: null, declare: false };
    const record = await deployment.leaveSubscription(options);
    deployment.store.put(record.id, { ...record, gapAfter: 'c0.before' });
    const server = await deployment.run();
    expect(await server.subscribe('counted', options)).toMatchObject({ truncated: true });
    // No delivery moves the position meanwhile.
    await deployment.clock.advance(2_000);
    expect(deployment.store.records).toMatchObject([{ gapAfter: null }]);
  });

  it('DELIV-14 fits into what every receiver takes, however long the names of places are', async () => {
    const server = webhookServer();
    const filler = 'x'.repeat(3_000);
    let checks = 0;
    server.events.define('counted', {
      ...counted,
      nextPollMs: 3_000,
      check: (_context, _args, cursor) => {
        checks += 1;
        const event = { eventId: `e${checks}`, timestamp: '2026-01-01T00:00:00Z', data: { n: checks } };
        return { events: cursor === null ? [] : [event], cursor: `${checks} ${filler}` };
      },
      match: () => {
        throw new Error('as an author may');
      },
    });
    server.recorder.answer = () => 500;
    await server.subscribe('counted');
    await server.clock.advance(QUARTER_MS / 2);
    server.recorder.answer = () => undefined;
    await server.clock.advance(QUARTER_MS);
    const sizes = server.recorder.envelopes('gap').map(({ text }) => Buffer.byteLength(text));
    expect(Math.max(...sizes)).toBeGreaterThan(100_000);
    expect(Math.max(...sizes)).toBeLessThan(200_000);
  });

  it('ENV-03 is one of a bounded number: what would be one more waits where it is', async () => {
    const server = webhookServer();
    const ids = new Set<string>();
    const handle = server.events.define('counted', {
      ...counted,
      match: (_args, { eventId }) => {
        ids.add(eventId);
        throw new Error('as an author may');
      },
    });
    server.recorder.answer = () => 500;
    await server.subscribe('counted');
    for (let n = 0; n < 6_000; n++) await handle.emit({ n });
    await settle();
    expect(ids.size).toBeGreaterThan(4_000);
    expect(ids.size).toBeLessThan(4_200);
    server.recorder.answer = () => undefined;
    await server.clock.advance(QUARTER_MS);
    expect(ids.size).toBe(6_000);
    const { cursor } = await server.subscribe('counted');
    expect(cursor).toBe((await server.poll('counted', null)).cursor);
  });
});

describe('a first answer that tells a gap', () => {
  it('CUR-09 SUB-11 is repeated for the same cursor, as it may have been lost', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', { ...counted, retention: { maxCount: 2 } });
    const { cursor: start } = await server.poll('counted', null);
    const cursors: (string | null)[] = [];
    for (let n = 1; n <= 5; n++) cursors.push((await handle.emit({ n })).cursor);
    const asked = await server.subscribe('counted', { cursor: start });
    expect(asked).toMatchObject({ truncated: true, cursor: cursors[2] });
    expect(await server.subscribe('counted', { cursor: start })).toMatchObject({ truncated: true, cursor: cursors[4] });
    expect(await server.subscribe('counted', { cursor: cursors[4]! })).toMatchObject({ truncated: false });
    expect(await server.subscribe('counted', { cursor: start })).toMatchObject({ truncated: false });
  });
});
