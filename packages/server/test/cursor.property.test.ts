import type { EventTypeDefinition } from '@mcp-events/server';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { TestServer } from './kit/httpServer.ts';

/** A cursor and what it promises its subscription: how many of the events made so far lie before it. */
interface KnownCursor {
  readonly cursor: string;
  readonly position: number;
  /** Which subscription it belongs to: that of the even numbers, the odd ones, or all. */
  readonly parity: number | undefined;
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('make' as const), count: fc.integer({ min: 1, max: 6 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('poll' as const),
      from: fc.nat(),
      maxEvents: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('stream' as const),
      from: fc.nat(),
    }),
  },
);

function argumentsFor(parity: number | undefined): { parity?: number } {
  return parity === undefined ? {} : { parity };
}

interface Source {
  readonly server: TestServer;
  make(n: number): Promise<void>;
}

async function run(
  steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
  source: Source,
): Promise<void> {
  const { server } = source;
  let made = 0;
  const known: KnownCursor[] = [];
  for (const parity of [undefined, 0, 1]) {
    const { cursor } = await server.poll('numbers', null, { arguments: argumentsFor(parity) });
    known.push({ cursor, position: 0, parity });
  }
  const expected = (position: number, parity: number | undefined): number[] =>
    Array.from({ length: made - position }, (_, i) => position + i).filter(
      (n) => parity === undefined || n % 2 === parity,
    );
  const pick = (from: number): KnownCursor => known[from % known.length] as KnownCursor;
  for (const s of steps) {
    if (s.kind === 'make') {
      for (let i = 0; i < s.count; i++) await source.make(made++);
      continue;
    }
    const { cursor, position, parity } = pick(s.from);
    const args = argumentsFor(parity);
    const wanted = expected(position, parity);
    if (s.kind === 'poll') {
      const result = await server.poll('numbers', cursor, { arguments: args, maxEvents: s.maxEvents });
      const got = result.events.map((event: { data: { n: number } }) => event.data.n);
      expect(result.truncated).toBe(false);
      expect(got).toEqual(wanted.slice(0, s.maxEvents));
      if (wanted.length > got.length) expect(result.hasMore).toBe(true);
      known.push({
        cursor: result.cursor,
        position: result.hasMore === true ? (got.at(-1) ?? position - 1) + 1 : made,
        parity,
      });
      continue;
    }
    const stream = await server.stream('numbers', { arguments: args, cursor });
    const [active, ...events] = await stream.take(1 + wanted.length);
    expect(active?.params).toMatchObject({ truncated: false });
    expect(events.map((message) => message.params.data.n)).toEqual(wanted);
    known.push({ cursor: active?.params.cursor, position, parity });
    for (const { params } of events) known.push({ cursor: params.cursor, position: params.data.n + 1, parity });
    stream.abort();
    await settle(2);
  }
  // From every cursor ever handed out, everything after it and nothing else is still there.
  for (const { cursor, position, parity } of known) {
    const collected: number[] = [];
    let next = cursor;
    for (let rounds = 0; rounds <= made + 2; rounds++) {
      const result = await server.poll('numbers', next, { arguments: argumentsFor(parity), maxEvents: 3 });
      collected.push(...result.events.map((event: { data: { n: number } }) => event.data.n));
      next = result.cursor;
      if (result.hasMore !== true) break;
    }
    expect(collected).toEqual(expected(position, parity));
  }
  await server.close();
}

const definition = {
  input: { type: 'object', properties: { parity: { type: 'integer' } } },
  payload: {
    type: 'object',
    properties: { n: { type: 'integer' }, parity: { type: 'integer' } },
    required: ['n', 'parity'],
  },
} satisfies EventTypeDefinition;

it('ORDER-01 PUSH-06 POLL-04 resumes from any cursor ever handed out without skipping or repeating (emitted events)', async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
    const server = new TestServer();
    const numbers = server.events.define('numbers', { ...definition, filter: { parity: 'parity' } });
    await run(steps, { server, make: async (n) => void (await numbers.emit({ n, parity: n % 2 })) });
  });
  await fc.assert(property, { numRuns: 25 });
}, 30_000);

const upstream = fc.record({
  /** How many events the upstream gives at once, whatever is asked for. */
  pageSize: fc.integer({ min: 1, max: 9 }),
  /** Which of them carry a position of their own. */
  ownCursorEvery: fc.integer({ min: 1, max: 4 }),
});

it('ORDER-01 PUSH-06 POLL-04 resumes from any cursor ever handed out without skipping or repeating (checked upstream)', async () => {
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 14 }),
    upstream,
    async (steps, { pageSize, ownCursorEvery }) => {
      const server = new TestServer();
      let length = 0;
      const checked = server.events.define('numbers', {
        ...definition,
        check: (_context, _args, cursor) => {
          const start = cursor === null ? length : Number(cursor);
          const end = Math.min(length, start + pageSize);
          const events = Array.from({ length: end - start }, (_, i) => start + i).map((n) => ({
            eventId: `upstream-${n}`,
            timestamp: '2026-01-01T00:00:00Z',
            data: { n, parity: n % 2 },
            ...(n % ownCursorEvery === 0 ? { cursor: String(n + 1) } : {}),
          }));
          return { events, cursor: String(end), hasMore: end < length };
        },
        match: (_context, event, args: { parity?: number }) =>
          args.parity === undefined || event.data['parity'] === args.parity,
      });
      await run(steps, {
        server,
        make: async () => {
          length++;
          checked.wake();
        },
      });
    },
  );
  await fc.assert(property, { numRuns: 25 });
}, 30_000);
