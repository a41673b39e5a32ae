import type { Check } from '@mcp-events/server';
import { afterEach, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { TestServer } from './kit/httpServer.ts';
import { StdioTestServer } from './kit/stdioServer.ts';

const payload = { type: 'object', properties: { n: { type: 'integer' }, text: { type: 'string' } } };

let server: TestServer | undefined;
afterEach(() => server?.close());

/** An upstream of numbered events; number 1 is too large to be sent. */
function upstream(length: number, asked: number[] = []): Check {
  return ({ limit }, _args, cursor) => {
    asked.push(limit);
    const start = cursor === null ? 0 : Number(cursor);
    const end = cursor === null ? 0 : Math.min(length, start + limit);
    const events = Array.from({ length: end - start }, (_, i) => start + i).map((n) => ({
      eventId: String(n),
      timestamp: '2026-01-01T00:00:00Z',
      data: n === 1 ? { n, text: 'x'.repeat(2_000) } : { n },
    }));
    return { events, cursor: String(end), hasMore: end < length };
  };
}

it('tells a checked event that is too large as lost and goes on', async () => {
  server = new TestServer({ limits: { maxPayloadBytes: 1_000 } });
  server.events.define('jobs', { payload, check: upstream(3) });
  const polled = await server.poll('jobs', 'c0.0');
  expect(polled.events.map((event: { data: { n: number } }) => event.data.n)).toEqual([0, 2]);
  expect(polled.truncated).toBe(true);
  expect(server.errors.length).toBeGreaterThan(0);
});

it('refuses a transformed payload that is too large and tells so', async () => {
  server = new TestServer({ limits: { maxPayloadBytes: 1_000 } });
  const jobs = server.events.define('jobs', {
    payload,
    transform: (): Record<string, unknown> => ({ text: 'x'.repeat(2_000) }),
  });
  const stream = await server.stream('jobs');
  await jobs.emit({ n: 1 });
  const frames = await stream.take(3);
  expect(frames.map(({ method }) => method?.split('/').at(-1))).toEqual(['active', 'error', 'active']);
});

it('POLL-04 asks a checked upstream for no more than a poll can take, however far behind it is', async () => {
  server = new TestServer();
  const asked: number[] = [];
  server.events.define('jobs', { payload, check: upstream(60, asked) });
  let cursor = 'c0.0';
  let received = 0;
  for (let hasMore = true; hasMore;) {
    const result = await server.poll('jobs', cursor, { maxEvents: 10 });
    received += result.events.length;
    ({ cursor, hasMore } = result);
  }
  expect(received).toBe(60);
  expect(Math.max(...asked)).toBe(10);
});

it('POLL-12 answers early when very many polls of one subscription are held', async () => {
  server = new TestServer();
  const jobs = server.events.define('jobs', { payload });
  const { cursor } = await server.poll('jobs', null);
  let answered = 0;
  const polls = Array.from({ length: 1_010 }, async () => {
    await server?.poll('jobs', cursor, { timeoutMs: 20_000 });
    answered++;
  });
  // So many take their turns.
  await settle(400);
  expect(answered).toBe(10);
  await jobs.emit({ n: 1 });
  await Promise.all(polls);
  expect(answered).toBe(1_010);
}, 30_000);

it('refuses a retention that no ring can be laid out for', () => {
  const events = (server = new TestServer()).events;
  for (const maxCount of [Infinity, 1.5, 1e12, 0]) {
    expect(() => events.define('jobs', { payload, retention: { maxCount } })).toThrow(/retention\.maxCount/);
  }
});

it('closes a connection within its time although the client does not read', async () => {
  const stdio = new StdioTestServer();
  const jobs = stdio.events.define('jobs', { payload });
  await stdio.request(1, 'events/stream', { name: 'jobs' });
  stdio.pipe.blocked = new Promise(() => {});
  await jobs.emit({ n: 1 });
  await settle();
  let closed = false;
  const closing = stdio.close().then(() => (closed = true));
  await stdio.clock.advance(2_000);
  expect(closed).toBe(true);
  await closing;
});
