import { Events } from '@mcp-events/server';
import { describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { httpServer } from './kit/servers.ts';

const events = new Events({ onError: () => {} });
let count = 0;

/** What became of emitting each of the values as member `v`. */
async function emitted(schema: z.ZodType, values: readonly unknown[]): Promise<unknown[]> {
  const type = events.define(`type ${count++}`, { payload: z.object({ v: schema }) });
  return Promise.all(
    values.map(async (v) =>
      type.emit({ v }).then(
        () => 'accepted',
        (error: unknown) => (error as Error).message,
      ),
    ),
  );
}

describe('what an author writes with a schema library', () => {
  it.each<[what: string, schema: z.ZodType, good: readonly unknown[], bad: readonly unknown[]]>([
    ['times without a zone', z.iso.time(), ['10:00:00', '10:00:00.5'], ['25:00:00', 'noon']],
    [
      'local times',
      z.iso.datetime({ local: true }),
      ['2026-11-30T10:00:00', '2026-11-30T10:00:00Z'],
      ['2026-02-30T10:00:00'],
    ],
    ['durations', z.iso.duration(), ['P1W', 'PT1H30M', 'PT0.5S'], ['1 h']],
    [
      'names of hosts that are not ASCII',
      z.url(),
      ['https://bücher.example/ü', 'https://example.com/a|b'],
      ['example'],
    ],
    ['e-mail addresses', z.email(), ['a+b@example.co.uk'], ['a@', 'a b@example.com']],
    [
      'patterns with needless escapes',
      z.string().regex(new RegExp(String.raw`^[a-z]+\-[0-9]+$`)),
      ['inc-1'],
      ['inc_1'],
    ],
    ['patterns with an unescaped brace', z.string().regex(/^{[a-z]+}$/), ['{abc}'], ['abc']],
    ['patterns that ignore case', z.string().regex(/^[a-f0-9]{8}$/i), ['DEADBEEF', 'deadbeef'], ['deadbeeg']],
    ['patterns over lines', z.string().regex(/^a.b$/s), ['a\nb'], ['a\n\nb']],
    ['patterns of classes', z.string().regex(/^\p{L}+$/u), ['Bücher'], ['1']],
    ['decimals', z.number().multipleOf(0.01), [1.15, 4.35, 19.99, 1.1, -0.07], [19.999]],
    ['values that may be null', z.string().regex(/^A$/i).nullable(), ['a', null], ['b', 1]],
    ['a choice', z.union([z.string().regex(/^A$/i), z.number()]), ['a', 1], ['b', true]],
  ])('OCC-11 %s: an emit takes what the schema takes, and nothing else', async (_what, schema, good, bad) => {
    for (const value of good) expect(schema.safeParse(value).success).toBe(true);
    expect(await emitted(schema, good)).toEqual(good.map(() => 'accepted'));
    for (const outcome of await emitted(schema, bad))
      expect(outcome).toMatch(/^data of an event of type \d+ violates its payload schema: v /);
  });

  it('OCC-04 values that the library would turn into others are refused as they are', async () => {
    expect(await emitted(z.coerce.number(), ['1'])).toEqual([expect.stringContaining('must be number')]);
    expect(await emitted(z.string().catch('x'), [1])).toEqual([expect.stringContaining('must be string')]);
  });

  it('OCC-11 a check that answers later, or throws, takes nothing that the published schema refuses', async () => {
    const later = z
      .string()
      .regex(/^A$/i)
      .refine(async () => true);
    const broken = z
      .string()
      .regex(/^A$/i)
      .refine(() => {
        throw new Error('private');
      });
    for (const schema of [later, broken])
      expect(await emitted(schema, ['a'])).toEqual([expect.stringContaining('must match pattern')]);
  });

  it('OCC-11 arguments are taken as the schema takes them', async () => {
    const server = httpServer();
    server.events.define('jobs', {
      payload: z.object({}),
      input: z.object({ id: z.string().regex(/^[a-f0-9]{8}$/i) }),
    });
    expect(await server.poll('jobs', null, { arguments: { id: 'DEADBEEF' } })).toMatchObject({ events: [] });
    const { error } = await server.call('events/poll', { name: 'jobs', cursor: null, arguments: { id: 'x' } });
    expect(error).toMatchObject({ code: -32602, message: expect.stringContaining('id must match pattern') });
  });
});

it('OCC-04 a check whose data does not fit the payload schema does not compile, and is told at the check', () => {
  const at = new Date(0);
  events.define(`type ${count++}`, {
    payload: z.object({ n: z.number() }),
    // @ts-expect-error Its data is of another type.
    check: async () => ({ events: [{ eventId: 'a', timestamp: at, data: { n: 'one' } }], cursor: '1' }),
  });
  const typed = events.define(`type ${count++}`, {
    payload: z.object({ n: z.number() }),
    check: async () => ({ events: [{ eventId: 'a', timestamp: at, data: { n: 1 } }], cursor: '1' }),
    match: (_context, event) => event.data.n > 0,
  });
  expect(typed.name).toContain('type');
});

describe('a schema that is no use', () => {
  it.each<[unknown, RegExp]>([
    [z.string(), /payload schema of event type "none" allows no object/],
    [z.array(z.object({})), /allows no object/],
    [z.union([z.string(), z.null()]), /allows no object/],
    [z.literal('a'), /allows no object/],
    [{ type: 'number' }, /allows no object/],
    [
      { anyOf: [{ enum: ['a'] }, { const: 1 }, { $ref: '#/$defs/text' }], $defs: { text: { type: 'string' } } },
      /allows no object/,
    ],
    [{ allOf: [{ type: 'object' }, { type: 'string' }] }, /allows no object/],
    [z.object({ at: z.date() }), /cannot be written as JSON Schema: Date.*z\.iso\.datetime\(\)/],
    [z.object({ n: z.bigint() }), /payload schema of event type "none" cannot be written as JSON Schema: BigInt/],
    [{ type: 'object', properties: { a: { type: 'string', pattern: '(' } } }, /not usable as JSON Schema/],
  ])('OCC-12 is refused when the type is defined: %o', (payload, told) => {
    expect(() => events.define('none', { payload } as never)).toThrow(told);
    expect(() => events.define('none', { payload: {}, input: payload } as never)).toThrow(TypeError);
  });

  it.each([
    [true],
    [{}],
    [{ type: ['object', 'null'] }],
    [{ anyOf: [{ type: 'string' }, { type: 'object' }] }],
    [{ $ref: '#/$defs/a', $defs: { a: { type: 'object' } } }],
  ])('OCC-12 is not one that some object satisfies: %j', (payload) => {
    if (payload === true)
      return expect(() => events.define('boolean', { payload } as never)).toThrow('must be a schema object');
    expect(events.define(`some ${count++}`, { payload } as never).name).toContain('some');
    return undefined;
  });

  it.each([
    ['_meta', { payload: { type: 'object' }, _meta: { size: 1n } }],
    ['payload', { payload: { type: 'object', examples: [1n] } }],
    ['input', { payload: { type: 'object' }, input: { type: 'object', default: 1n } }],
  ])('LIST-17 OCC-12 what is published is refused when it is no JSON: %s', async (member, definition) => {
    const server = httpServer();
    server.events.define('fine', { payload: { type: 'object' } });
    const define = (): unknown => server.events.define('broken', definition);
    expect(define).toThrow(TypeError);
    expect(define).toThrow(new RegExp(`${member}.* of event type "broken" cannot be written as JSON`));
    expect((await server.result('events/list')).events.map(({ name }: { name: string }) => name)).toEqual(['fine']);
  });

  it('LIST-17 what an author does to a definition later is not published, and not checked', async () => {
    const server = httpServer();
    const payload = { type: 'object', properties: { n: { type: 'integer' } } };
    const _meta: Record<string, unknown> = { tier: 1 };
    const handle = server.events.define('counted', { payload, _meta });
    payload.properties.n.type = 'string';
    _meta['tier'] = 2;
    const [type] = (await server.result('events/list')).events;
    expect(type).toMatchObject({ payloadSchema: { properties: { n: { type: 'integer' } } }, _meta: { tier: 1 } });
    await expect(handle.emit({ n: 1 })).resolves.toBeDefined();
  });

  it('OCC-12 nothing is written to the console past the logger', () => {
    const spies = (['log', 'warn', 'error'] as const).map((method) =>
      vi.spyOn(console, method).mockImplementation(() => {}),
    );
    events.define(`type ${count++}`, {
      payload: { type: 'object', properties: { a: { type: 'string', format: 'iban' } }, unknownKeyword: 1 },
    });
    for (const spy of spies) {
      expect(spy).not.toHaveBeenCalled();
      spy.mockRestore();
    }
  });
});

describe('what is told of a violation', () => {
  const payload = { type: 'object', properties: { a: { enum: ['x'] } }, additionalProperties: false };

  it('OCC-12 names the member that is not allowed, in bounds', async () => {
    const type = events.define(`type ${count++}`, { payload });
    await expect(type.emit({ b: 1 })).rejects.toThrow('must NOT have additional properties: "b"');
    await expect(type.emit({ ['b'.repeat(5_000)]: 1 })).rejects.toThrow(/"b{199}\.\.\.$/);
    const nested = events.define(`type ${count++}`, { payload: { type: 'object', properties: { o: payload } } });
    await expect(nested.emit({ o: { c: 1 } })).rejects.toThrow('o must NOT have additional properties: "c"');
    const many = { type: 'object', properties: { a: { enum: Array.from({ length: 1_000 }, (_, n) => `value ${n}`) } } };
    const listed = events.define(`type ${count++}`, { payload: many });
    await expect(listed.emit({ a: 'none' })).rejects.toThrow(/^.{1,400}\.\.\.$/);
  });
});

describe('text from anybody', () => {
  /** Counts what a pattern has to look at: time is no measure. */
  const length = 4_096;

  it.each([
    ['a pattern', { pattern: '^a*$' }, (n: number) => 'a'.repeat(n)],
    ['the format url', { format: 'url' }, (n: number) => `http://${'a'.repeat(n - 9)}/b`],
    ['the format uri', { format: 'uri' }, (n: number) => `http://${'a'.repeat(n - 9)}/b`],
    ['the format uri-template', { format: 'uri-template' }, (n: number) => 'a'.repeat(n)],
    ['the format json-pointer', { format: 'json-pointer' }, (n: number) => `/${'a'.repeat(n - 1)}`],
    ['the format regex', { format: 'regex' }, (n: number) => 'a'.repeat(n)],
  ])('ERR-11 is held against %s only within a bound', async (_what, schema, text) => {
    const server = httpServer();
    const type = { type: 'object', properties: { v: { type: 'string', ...schema } } };
    const jobs = server.events.define('jobs', { payload: type, input: type });
    const poll = async (v: string): Promise<number | undefined> =>
      (await server.call('events/poll', { name: 'jobs', cursor: null, arguments: { v } })).error?.code;
    expect(await poll(text(length))).toBeUndefined();
    expect(await poll(text(length + 1))).toBe(-32602);
    // An author's own text is not anybody's.
    await jobs.emit({ v: text(length + 1) });
  });

  it('ERR-11 a library is not asked about longer text', async () => {
    const server = httpServer();
    let asked = 0;
    const input = z.object({
      v: z
        .string()
        .regex(/^[a-z]*$/)
        .refine(() => ++asked > 0),
    });
    server.events.define('jobs', { payload: z.object({}), input });
    const { error } = await server.call('events/poll', {
      name: 'jobs',
      cursor: null,
      arguments: { v: 'a'.repeat(length + 1) },
    });
    expect([error?.code, asked]).toEqual([-32602, 0]);
  });

  it('ERR-11 the format url knows what a URL is', async () => {
    const type = events.define(`type ${count++}`, {
      payload: { type: 'object', properties: { v: { type: 'string', format: 'url' } } },
    });
    for (const v of ['https://bücher.example/a', 'http://localhost:8080', 'ftp://example.com/a', 'http://10.0.0.1/'])
      await type.emit({ v });
    for (const v of ['example.com', 'javascript:alert(1)', 'http://a b', `http://${':'.repeat(60_000)}\n`, 'http://']) {
      await expect(type.emit({ v })).rejects.toThrow('must match format "url"');
    }
  });
});

describe('times', () => {
  const type = events.define('timed', { payload: {} });

  it.each([
    ...['2016-12-31T23:59:60Z', '1990-12-31T15:59:60-08:00', '2026-11-30t10:00:00z', '2026-11-30T10:00:00.123456789Z'],
    ...[
      '2026-11-30T10:00:00-00:00',
      '2024-02-29T00:00:00Z',
      '2000-02-29T00:00:00Z',
      '1937-01-01T12:00:27.87+00:20',
      '2026-11-30T23:59:59+14:00',
    ],
    ...['2026-11-30T10:00Z', '2026-11-30T10:00:00+0100', '0004-02-29T00:00:00Z', '2017-01-01T05:29:60.5+05:30'],
  ])('OCC-03 %s exists', async (timestamp) => {
    expect(await type.emit({}, { timestamp })).toMatchObject({ cursor: expect.any(String) });
  });

  it.each([
    ...[
      '2025-02-29T00:00:00Z',
      '1900-02-29T00:00:00Z',
      '2025-02-30T00:00:00Z',
      '2025-04-31T12:00:00Z',
      '2025-02-31T00:00:00+02:00',
    ],
    ...[
      '2025-13-01T00:00:00Z',
      '2025-00-10T00:00:00Z',
      '2025-01-32T00:00:00Z',
      '2025-01-00T00:00:00Z',
      '2025-01-01T24:00:00Z',
    ],
    ...[
      '2025-01-01T10:60:00Z',
      '2025-01-01T10:00:61Z',
      '2025-01-01T10:00:60Z',
      '2025-12-31T23:59:60+01:00',
      '2025-01-01T10:00:00+24:00',
    ],
    ...[
      '2025-01-01T10:00:00+10:75',
      '2025-01-01T10:00:00',
      '2025-01-01',
      '',
      `2025-01-01T10:00:00.${'1'.repeat(100)}Z`,
    ],
  ])('OCC-03 %s is refused', async (timestamp) => {
    await expect(type.emit({}, { timestamp })).rejects.toThrow('ISO 8601 with a zone is needed, of a time that exists');
  });

  it.each([[new Date(Number.NaN)], [new Date(8.64e15)], [new Date(-8.64e15)], [1], [null], [{}]])(
    'OCC-03 %o is refused',
    async (timestamp) => {
      await expect(type.emit({}, { timestamp } as never)).rejects.toThrow(TypeError);
    },
  );

  it('CUR-08 OCC-03 an event of a leap second has its place in time', async () => {
    const server = httpServer();
    const jobs = server.events.define('jobs', { payload: {} });
    const { cursor } = await server.poll('jobs', null);
    for (const timestamp of ['2016-12-31T23:59:58Z', '2016-12-31T23:59:60Z', '2017-01-01T00:00:01Z'])
      await jobs.emit({}, { timestamp });
    const page = await server.poll('jobs', cursor, {
      maxAgeMs: server.clock.now() - Date.parse('2016-12-31T23:59:59Z'),
    });
    expect(page).toMatchObject({
      events: [{ timestamp: '2016-12-31T23:59:60Z' }, { timestamp: '2017-01-01T00:00:01Z' }],
    });
  });
});
