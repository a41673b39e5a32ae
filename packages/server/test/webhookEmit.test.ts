import type { EventContext } from '@mcp-events/server';
import { Events } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { pushedNumbers } from './kit/frames.ts';
import type { RecordedRequest } from './kit/recorder.ts';
import { counted, numbersOf } from './kit/servers.ts';
import { Upstream } from './kit/upstream.ts';
import { postedNumbers, TRUSTED, webhookServer } from './kit/webhookServer.ts';

const levelled = {
  payload: { type: 'object', properties: { n: { type: 'integer' }, secret: { type: 'string' } }, required: ['n'] },
  input: { type: 'object', properties: { least: { type: 'integer' } } },
} as const;

describe('modes', () => {
  it('EMIT-01 one check feeds poll, push and webhook', async () => {
    const server = webhookServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    const as = 'alice';
    const { cursor } = await server.poll('counted', null, {}, { as });
    const stream = await server.stream('counted', {}, { as });
    await server.subscribe('counted');
    upstream.add(1, 2);
    await server.clock.advance(1_000);
    expect(numbersOf((await server.poll('counted', cursor, {}, { as })).events)).toEqual([1, 2]);
    expect(pushedNumbers(await stream.arrived())).toEqual([1, 2]);
    expect(postedNumbers(server)).toEqual([1, 2]);
  });

  it('EMIT-02 LIST-01 LIST-02 webhook is listed where the server offers it, less opt-outs', async () => {
    const server = webhookServer();
    const { check } = new Upstream();
    server.events.define('emitted', counted);
    server.events.define('checked', { ...counted, check });
    server.events.define('live', { ...counted, replay: false });
    server.events.define('hooked', { ...counted, delivery: ['webhook'] });
    server.events.define('polled', { ...counted, delivery: ['poll'] });
    const { events } = await server.result('events/list', {}, { as: 'alice' });
    expect(events.map(({ name, delivery }: { name: string; delivery: string[] }) => [name, delivery])).toEqual([
      ['emitted', ['poll', 'push', 'webhook']],
      ['checked', ['poll', 'push', 'webhook']],
      ['live', ['push', 'webhook']],
      ['hooked', ['webhook']],
      ['polled', ['poll']],
    ]);
    for (const event of events) {
      expect(event).toMatchObject({ inputSchema: { type: 'object' }, payloadSchema: counted.payload });
    }
    expect(() => new Events().define('hooked', { ...counted, delivery: ['webhook'] })).toThrow('webhooks option');
    expect(() => server.events.define('none', { ...counted, delivery: [] })).toThrow(TypeError);
  });

  it('LIST-13 AUTH-04 shows to each principal what it may discover', async () => {
    const server = webhookServer();
    server.events.define('secret', { ...counted, discoverable: ({ principal }) => principal === 'alice' });
    const names = async (as: string): Promise<unknown[]> =>
      (await server.result('events/list', {}, { as })).events.map(({ name }: { name: string }) => name);
    expect(await names('alice')).toEqual(['secret']);
    expect(await names('bob')).toEqual([]);
  });

  it('EMIT-03 one emit reaches every subscription of every mode', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    for (const path of ['/a', '/b']) await server.subscribe('counted', { url: TRUSTED + path });
    await handle.emit({ n: 1 });
    await settle();
    expect(numbersOf((await server.poll('counted', cursor)).events)).toEqual([1]);
    expect(pushedNumbers(await stream.arrived())).toEqual([1]);
    expect(server.recorder.events.map(({ path }) => path)).toEqual(['/a', '/b']);
  });

  it('EMIT-07 with a target only that subscription gets it', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    const { id } = await server.subscribe('counted', { as: 'bob' });
    await handle.emit({ n: 1 }, { target: id });
    await settle();
    expect(server.recorder.events.map(({ headers }) => headers['x-mcp-subscription-id'])).toEqual([id]);
  });
});

describe('match and transform', () => {
  it('EMIT-04 EMIT-06 AUTH-10 match decides per subscription, knowing principal and arguments', async () => {
    const server = webhookServer();
    const contexts: EventContext[] = [];
    const handle = server.events.define('levelled', {
      ...levelled,
      match: (context, { data }, { least = 0 }) => {
        contexts.push(context);
        return (data['n'] as number) >= (least as number);
      },
    });
    const { cursor } = await server.poll('levelled', null);
    const { id } = await server.subscribe('levelled', { arguments: { least: 2 } });
    await server.subscribe('levelled', { as: 'bob' });
    for (const n of [1, 2]) await handle.emit({ n });
    await settle();
    const isOfAlice = ({ headers }: RecordedRequest): boolean => headers['x-mcp-subscription-id'] === id;
    const numbers = (requests: readonly RecordedRequest[]): unknown[] => requests.map(({ body }) => body.data.n);
    expect(numbers(server.recorder.events.filter(isOfAlice))).toEqual([2]);
    expect(numbers(server.recorder.events.filter((request) => !isOfAlice(request)))).toEqual([1, 2]);
    const own = contexts.find(({ principal }) => principal === 'alice');
    expect(own).toMatchObject({ mode: 'webhook', subscriptionId: id, authInfo: undefined });
    const polled = await server.poll('levelled', cursor, { arguments: { least: 2 } });
    expect(numbersOf(polled.events)).toEqual([2]);
  });

  it('EMIT-05 transform shapes the copy of one subscription after match, and no other', async () => {
    const server = webhookServer();
    const handle = server.events.define('levelled', {
      ...levelled,
      match: (_context, { data }) => data['secret'] !== 'none',
      transform: ({ principal }, { data }) => (principal === 'bob' ? data : { n: data['n'] as number }),
    });
    await server.subscribe('levelled');
    await server.subscribe('levelled', { as: 'bob' });
    const { eventId } = await handle.emit({ n: 1, secret: 'hunter2' });
    await handle.emit({ n: 2, secret: 'none' });
    await settle();
    expect(server.recorder.events.map(({ body }) => [body.eventId, body.data])).toEqual([
      [eventId, { n: 1 }],
      [eventId, { n: 1, secret: 'hunter2' }],
    ]);
  });

  it('EMIT-04 a match that fails is told as a gap, since nobody knows for whom the event was', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', {
      ...counted,
      match: (_context, { data }) => {
        if (data['n'] === 2) throw new Error('no idea');
        return true;
      },
    });
    await server.subscribe('counted');
    const cursors: (string | null)[] = [];
    for (const n of [1, 2, 3]) {
      cursors.push((await handle.emit({ n })).cursor);
      await settle();
    }
    expect(postedNumbers(server)).toEqual([1, 3]);
    expect(server.recorder.envelopes('gap').map(({ body }) => body.cursor)).toEqual([cursors[1]]);
    expect(server.errors.map(({ stage }) => stage)).toEqual(['match or transform']);
  });
});
