import type { EventContext } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { kindsOf } from './kit/frames.ts';
import { authFor } from './kit/httpServer.ts';
import { counted, httpServer } from './kit/servers.ts';
import { webhookServer } from './kit/webhookServer.ts';

const MEGABYTE = 'x'.repeat(1_000_000);

describe('a cursor', () => {
  it.each([
    ['log', {}],
    ['check', { check: () => ({ events: [], cursor: 'now' }) }],
  ])(
    'CUR-16 CUR-12 of any length that was never handed out resets in every mode, and is kept nowhere: %s',
    async (_kind, source) => {
      const server = webhookServer();
      server.events.define('counted', { ...counted, ...source });
      const polled = await server.poll('counted', MEGABYTE);
      expect(polled).toMatchObject({ events: [], truncated: true });
      const stream = await server.stream('counted', { cursor: MEGABYTE });
      expect((await stream.arrived())[0]?.params).toMatchObject({ truncated: true, cursor: polled.cursor });
      expect(await server.subscribe('counted', { cursor: MEGABYTE })).toMatchObject({ truncated: true });
      expect(JSON.stringify(server.events.inspect().subscriptions()).length).toBeLessThan(3_000);
    },
  );

  it('CUR-16 of an upstream comes back when it is as long as it may be, and is refused when longer', async () => {
    const server = httpServer();
    let length = 8_181;
    const asked: (string | null)[] = [];
    server.events.define('counted', {
      ...counted,
      check: (_context, _args, cursor) => {
        asked.push(cursor);
        return { events: [], cursor: 'x'.repeat(length) };
      },
    });
    const { cursor } = await server.poll('counted', null);
    expect(await server.poll('counted', cursor)).toMatchObject({ truncated: false });
    expect(asked[1]).toHaveLength(8_181);
    // With the largest count of events before it.
    expect(await server.poll('counted', `c999999999.${asked[1]}`)).toMatchObject({ truncated: true });
    expect(asked.at(-1)).toHaveLength(8_181);
    length++;
    expect((await server.call('events/poll', { name: 'counted' })).error?.code).toBe(-32603);
    expect(String(server.errors[0]?.error)).toContain('a cursor of 8182 characters; at most 8181 come back');
  });

  it('CUR-16 POLL-04 of one event that is too long is replaced by a count', async () => {
    const server = httpServer();
    const event = (n: number) => ({ eventId: `e${n}`, timestamp: '2026-01-01T00:00:00Z', data: { n } });
    server.events.define('counted', {
      ...counted,
      check: () => ({ events: [{ ...event(1), cursor: 'x'.repeat(8_182) }, event(2)], cursor: 'end' }),
    });
    expect(await server.poll('counted', 'c0.start', { maxEvents: 1 })).toMatchObject({ cursor: 'c1.start' });
  });
});

describe('who a caller is', () => {
  const key = 'io.modelcontextprotocol/clientInfo';

  it.each([
    [
      { name: 'a', version: '1', title: MEGABYTE },
      { name: 'a', version: '1' },
    ],
    [
      { name: 'n'.repeat(256), version: 'v'.repeat(257) },
      { name: 'n'.repeat(256), version: 'v'.repeat(256) },
    ],
  ])('CUR-16 is kept as far as it may be', async (info, kept) => {
    const contexts: EventContext[] = [];
    const server = httpServer();
    server.events.define('counted', { ...counted, authorize: (context) => contexts.push(context) > 0 });
    await server.poll('counted', null, { _meta: { [key]: info } });
    expect(contexts[0]?.clientInfo).toEqual(kept);
    expect(Object.isFrozen(contexts[0])).toBe(true);
  });

  it('CUR-16 a principal may have so many characters', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    const poll = async (length: number) =>
      server.call('events/poll', { name: 'counted' }, { authInfo: authFor('p'.repeat(length)) });
    expect((await poll(1_024)).error).toBeUndefined();
    expect((await poll(1_025)).error?.code).toBe(-32603);
    expect(String(server.errors[0]?.error)).toContain('1025 characters; at most 1024');
  });
});

it('CUR-16 PUSH-02 the id of a stream may have 256 characters, as each event carries it', async () => {
  const server = httpServer();
  server.events.define('counted', counted);
  const stream = await server.stream('counted', {}, { id: 'i'.repeat(256) });
  await settle();
  expect(kindsOf(await stream.arrived())).toEqual(['active']);
  const refused = await server.call('events/stream', { name: 'counted' }, { id: 'i'.repeat(257) });
  expect(refused.error).toMatchObject({ code: -32602, message: expect.stringContaining('this one has 257') });
});
