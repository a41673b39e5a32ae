import { listResultSchema } from '@mcp-events/protocol';
import type { DeliveryMode } from '@mcp-events/server';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { counted, httpServer, stdioServer } from './kit/servers.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

const check = (): { events: []; cursor: string } => ({ events: [], cursor: '0' });

describe('descriptors', () => {
  it('LIST-01 lists name, description, delivery, both schemas and metadata', async () => {
    const server = httpServer();
    server.events.define('incident.opened', {
      description: 'An incident was opened',
      input: { type: 'object', properties: { severity: { enum: ['high', 'low'] } } },
      payload: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
      _meta: { 'com.example/owner': 'incidents' },
    });
    server.events.define('counted', counted);
    const result = await server.result('events/list');
    expect(listResultSchema.safeParse(result).success).toBe(true);
    expect(result.events).toEqual([
      {
        name: 'incident.opened',
        description: 'An incident was opened',
        delivery: ['poll', 'push'],
        inputSchema: { type: 'object', properties: { severity: { enum: ['high', 'low'] } } },
        payloadSchema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
        _meta: { 'com.example/owner': 'incidents' },
      },
      {
        name: 'counted',
        description: 'Events named counted',
        delivery: ['poll', 'push'],
        inputSchema: { type: 'object' },
        payloadSchema: counted.payload,
      },
    ]);
    expect(result.nextCursor).toBeUndefined();
  });

  it('LIST-14 always sends a description, and refuses one that is no text', async () => {
    const server = httpServer();
    server.events.define('plain', counted);
    server.events.define('empty', { ...counted, description: '' });
    const handle = server.events.define('updated', { ...counted, description: 'Before' });
    handle.update(counted);
    const { events } = await server.result('events/list');
    expect(events.map(({ description }: { description: unknown }) => description)).toEqual([
      'Events named plain',
      '',
      'Events named updated',
    ]);
    for (const description of [null, 5, {}]) {
      expect(() => server.events.define('wrong', { ...counted, description: description as never })).toThrow(
        /description of event type "wrong" must be text/,
      );
    }
  });

  it('LIST-03 leaves out nothing when the last type of a page is removed and defined again', async () => {
    const server = httpServer({ pageSize: 2 });
    const handles = ['a', 'b', 'c', 'd'].map((name) => server.events.define(name, counted));
    const { nextCursor } = await server.result('events/list');
    handles[1]?.remove();
    server.events.define('b', counted);
    const { events } = await server.result('events/list', { cursor: nextCursor });
    expect(events.map(({ name }: { name: string }) => name)).toEqual(['c', 'd']);
  });

  it('LIST-01 LIST-05 publishes the JSON Schema of a schema library', async () => {
    const server = stdioServer();
    server.events.define('incident.opened', {
      input: z.object({ severity: z.enum(['high', 'low']).default('high') }),
      payload: z.object({ id: z.string() }),
    });
    const answer = await server.request(1, 'events/list');
    const descriptor = answer?.result.events[0];
    // With a default the member may be left out, so it is not required of subscribers.
    expect(descriptor.inputSchema).toMatchObject({ properties: { severity: { enum: ['high', 'low'] } } });
    expect(descriptor.inputSchema.required ?? []).toEqual([]);
    expect(descriptor.payloadSchema).toMatchObject({ properties: { id: { type: 'string' } }, required: ['id'] });
  });

  it.each([
    ['emitted', {}, ['poll', 'push']],
    ['emitted without replay', { replay: false }, ['push']],
    ['checked', { check }, ['poll', 'push']],
    ['emitted, push opted out', { delivery: ['poll'] }, ['poll']],
    ['checked, poll opted out', { check, delivery: ['push'] }, ['push']],
    ['named twice and in another order', { delivery: ['push', 'poll', 'push'] }, ['poll', 'push']],
  ] as const)('LIST-02 EMIT-02 infers the modes of a type that is %s', async (_kind, source, expected) => {
    const server = httpServer();
    server.events.define('counted', { ...counted, ...source });
    expect((await server.result('events/list')).events[0].delivery).toEqual(expected);
  });

  it.each([
    ['no mode at all', { delivery: [] }, 'offers no delivery mode'],
    ['a mode the source does not allow', { replay: false, delivery: ['poll'] }, 'cannot offer delivery by "poll"'],
    ['an unknown mode', { delivery: ['telepathy' as DeliveryMode] }, 'cannot offer delivery by "telepathy"'],
    ['a check that should not replay', { check, replay: false }, 'leave out replay: false'],
  ] as const)('LIST-02 refuses to define a type with %s', async (_case, source, message) => {
    const server = httpServer();
    expect(() => server.events.define('counted', { ...counted, ...source })).toThrow(message);
    expect((await server.result('events/list')).events).toEqual([]);
  });

  it('LIST-02 AUTH-04 never lists webhook without a webhook sender', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    const [descriptor] = (await server.result('events/list')).events;
    expect(descriptor.delivery).not.toContain('webhook');
  });
});

describe('schemas', () => {
  it.each([
    ['input', 'the input schema of event type "remote"'],
    ['payload', 'the payload schema of event type "remote"'],
  ] as const)('LIST-05 refuses a network reference in the %s schema and fetches nothing', (part, place) => {
    const fetched = vi.fn<() => void>();
    vi.stubGlobal('fetch', fetched);
    const remote = { type: 'object', properties: { a: { $ref: 'https://schemas.example/a.json' } } };
    const server = httpServer();
    expect(() => server.events.define('remote', { ...counted, [part]: remote })).toThrow(place);
    expect(fetched).not.toHaveBeenCalled();
  });

  it('LIST-05 refuses what is not valid JSON Schema', () => {
    const server = httpServer();
    expect(() => server.events.define('wrong', { payload: { type: 'objekt' } })).toThrow('the payload schema');
    const dialect = { $schema: 'http://json-schema.org/draft-04/schema#', type: 'object' };
    expect(() => server.events.define('old', { payload: dialect })).toThrow('use 2020-12 or draft-07');
  });

  it('LIST-05 reads a schema by the dialect it names', async () => {
    const server = httpServer();
    // In draft-07 a list of item schemas is positional; in 2020-12 the same is called prefixItems.
    const pair = { type: 'array', items: [{ type: 'integer' }, { type: 'string' }] };
    const payload = { $schema: 'http://json-schema.org/draft-07/schema#', type: 'object', properties: { pair } };
    const paired = server.events.define('paired', { payload });
    await expect(paired.emit({ pair: [1, 'a'] })).resolves.toBeDefined();
    await expect(paired.emit({ pair: ['a', 1] })).rejects.toThrow('violates its payload schema');
    const tuple = { type: 'array', prefixItems: [{ type: 'integer' }], items: false };
    const tupled = server.events.define('tupled', { payload: { type: 'object', properties: { tuple } } });
    await expect(tupled.emit({ tuple: [1] })).resolves.toBeDefined();
    await expect(tupled.emit({ tuple: [1, 2] })).rejects.toThrow('violates its payload schema');
  });

  it('LIST-08 serves the old and the new name of a breaking change side by side', async () => {
    const server = httpServer();
    const old = server.events.define('counted', counted);
    const next = server.events.define('counted.v2', {
      payload: { type: 'object', properties: { n: { type: 'string' } }, required: ['n'] },
    });
    const { events } = await server.result('events/list');
    expect(events.map(({ name }: { name: string }) => name)).toEqual(['counted', 'counted.v2']);
    const [oldStream, nextStream] = [await server.stream('counted'), await server.stream('counted.v2')];
    await old.emit({ n: 1 });
    await next.emit({ n: 'one' });
    expect((await oldStream.take(2))[1]?.params.data).toEqual({ n: 1 });
    expect((await nextStream.take(2))[1]?.params.data).toEqual({ n: 'one' });
  });

  it('LIST-07 accepts arguments of before an additive change after it', async () => {
    const server = httpServer();
    const input = { type: 'object', properties: { severity: { type: 'string' } }, additionalProperties: false };
    const type = server.events.define('counted', { ...counted, input });
    const { cursor } = await server.poll('counted', null, { arguments: { severity: 'high' } });
    const properties = { ...input.properties, region: { type: 'string' } };
    type.update({ ...counted, input: { ...input, properties } });
    const again = await server.poll('counted', cursor, { arguments: { severity: 'high' } });
    expect(again).toMatchObject({ events: [], truncated: false });
    await server.poll('counted', null, { arguments: { severity: 'high', region: 'north' } });
  });
});

describe('pages', () => {
  it('LIST-03 pages through all types, each once, with nextCursor only while there is more', async () => {
    const server = httpServer({ pageSize: 2 });
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) server.events.define(name, counted);
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const result = await server.result('events/list', cursor === undefined ? {} : { cursor });
      pages.push(result.events.map(({ name }: { name: string }) => name));
      cursor = result.nextCursor;
    } while (cursor !== undefined);
    expect(pages).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  it('LIST-03 gives no nextCursor when the last page is exactly full', async () => {
    const server = httpServer({ pageSize: 2 });
    for (const name of ['a', 'b']) server.events.define(name, counted);
    expect((await server.result('events/list')).nextCursor).toBeUndefined();
  });

  it('LIST-03 loses and repeats no remaining type when others come and go between two pages', async () => {
    const server = httpServer({ pageSize: 2 });
    const handles = ['a', 'b', 'c', 'd', 'e'].map((name) => server.events.define(name, counted));
    const first = await server.result('events/list');
    handles[0]?.remove();
    handles[1]?.remove();
    const second = await server.result('events/list', { cursor: first.nextCursor });
    expect(second.events.map(({ name }: { name: string }) => name)).toEqual(['c', 'd']);
  });

  it.each(['', 'no such', '[1]', '["a",1]', 'null', '[-1,"a"]'])(
    'LIST-03 answers the foreign cursor %j with -32602',
    async (cursor) => {
      const server = httpServer();
      server.events.define('counted', counted);
      expect((await server.call('events/list', { cursor })).error?.code).toBe(-32602);
    },
  );
});

describe('who sees what', () => {
  it('LIST-13 lists only what the principal may discover', async () => {
    const server = httpServer();
    server.events.define('public', counted);
    server.events.define('internal', { ...counted, discoverable: ({ principal }) => principal === 'ada' });
    const namesFor = async (options?: { as: string }): Promise<string[]> =>
      (await server.result('events/list', {}, options)).events.map(({ name }: { name: string }) => name);
    expect(await namesFor({ as: 'ada' })).toEqual(['public', 'internal']);
    expect(await namesFor({ as: 'bob' })).toEqual(['public']);
    expect(await namesFor()).toEqual(['public']);
  });

  it('LIST-03 LIST-13 fills pages with visible types only', async () => {
    const server = httpServer({ pageSize: 2 });
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      server.events.define(name, { ...counted, discoverable: () => ['b', 'd', 'e'].includes(name) });
    }
    const first = await server.result('events/list');
    const second = await server.result('events/list', { cursor: first.nextCursor });
    expect(first.events.map(({ name }: { name: string }) => name)).toEqual(['b', 'd']);
    expect(second.events.map(({ name }: { name: string }) => name)).toEqual(['e']);
    expect(second.nextCursor).toBeUndefined();
  });

  it('LIST-13 hides a type whose visibility cannot be decided, and shows the others', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    server.events.define('broken', {
      ...counted,
      discoverable: () => {
        throw new Error('secret of the author');
      },
    });
    const { events } = await server.result('events/list');
    expect(events.map(({ name }: { name: string }) => name)).toEqual(['counted']);
    expect(server.errors.map(({ error }) => error)).toEqual([new Error('secret of the author')]);
  });
});
