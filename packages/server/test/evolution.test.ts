import type { JsonSchema } from '@mcp-events/protocol';
import { Events, forbidden, internalError, memoryStorage } from '@mcp-events/server';
import type { EventLog, EventsOptions, Storage } from '@mcp-events/server';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { TestServer } from './kit/httpServer.ts';
import { durableStorage, keptStorage, memoryLog, TestSubscriptionStore } from './kit/storage.ts';

const properties = { n: { type: 'integer' }, kind: { type: 'string' }, owner: { type: 'string' } };
const payload = { type: 'object', properties };
const input = { type: 'object', properties: { kind: { type: 'string' }, owner: { type: 'string' } } };

let server: TestServer;
afterEach(() => server.close());

it('TERM-04 EMIT-04 keeps subscriptions through an additive change and applies the new filter to them', async () => {
  server = new TestServer();
  const jobs = server.events.define('jobs', { payload, input, filter: { kind: 'kind' } });
  const stream = await server.stream('jobs', { arguments: { kind: 'a', owner: 'x' } });
  await jobs.emit({ n: 1, kind: 'a', owner: 'y' });
  jobs.update({ payload, input, filter: { kind: 'kind', owner: 'owner' } });
  await jobs.emit({ n: 2, kind: 'a', owner: 'y' });
  await jobs.emit({ n: 3, kind: 'a', owner: 'x' });
  const frames = await stream.take(3);
  expect(frames.map(({ params }) => params.data?.n)).toEqual([undefined, 1, 3]);
});

it('refuses a filter that names members the schemas do not have', () => {
  server = new TestServer();
  expect(() => server.events.define('jobs', { payload, input, filter: { sort: 'kind' } })).toThrow(
    /"sort".*input schema/,
  );
  expect(() => server.events.define('jobs', { payload, input, filter: { kind: 'sort' } })).toThrow(
    /"sort".*payload schema/,
  );
});

it.each(['', 'private, and no JSON', 'null', '[]', '{}', '{"payloadSchema":{},"inputSchema":"private"}'])(
  'TERM-03 OCC-04 a damaged note of the schemas of the last run, %j, is told before anything is offered or cleared',
  async (damaged) => {
    const clock = new FakeClock();
    const storage = keptStorage(clock);
    server = new TestServer({ clock, storage });
    const { cursor } = await server.events.define('jobs', { payload }).emit({ n: 1 });
    await server.close();
    await storage.notes.set({ key: 'event-type:jobs', value: damaged });
    server = new TestServer({ clock, storage });
    const define = (): unknown => server.events.define('jobs', { payload });
    expect(define).toThrow(/schemas that event type "jobs" had .* is damaged.*notes\.delete\("event-type:jobs"\)/);
    expect(define).not.toThrow(/private/);
    expect((await server.result('events/list')).events).toEqual([]);
    expect(storage.notes.get('event-type:jobs')).toBe(damaged);
    // What the message says to do.
    await storage.notes.delete('event-type:jobs');
    define();
    expect(await server.poll('jobs', cursor)).toMatchObject({ truncated: false });
  },
);

it('AUTH-02 ends a stream with its result when the access token expires, without taking access away', async () => {
  server = new TestServer({ reauthorizeIntervalMs: 1_000 });
  server.events.define('jobs', { payload });
  const expiresAt = server.clock.now() / 1_000 + 5;
  const authInfo = { token: 't', clientId: 'c', scopes: [], expiresAt, extra: { sub: 'alice' } };
  const { signal } = new AbortController();
  const answer = await server.fetch('events/stream', { name: 'jobs' }, { authInfo, signal, id: 9 });
  await server.clock.advance(4_000);
  expect(server.events.subscriptions()).toHaveLength(1);
  await server.clock.advance(2_000);
  await settle();
  expect(server.events.subscriptions()).toEqual([]);
  const text = await answer.text();
  expect(text).not.toContain('terminated');
  expect(JSON.parse(text.trim().split('data:').at(-1) as string)).toMatchObject({
    id: 9,
    result: { resultType: 'complete' },
  });
});

it('looks again when it was woken during a check', async () => {
  server = new TestServer();
  let length = 0;
  let finish = (): void => {};
  let pause = Promise.resolve();
  const jobs = server.events.define('jobs', {
    payload,
    check: async (_context, _args, cursor) => {
      const end = length;
      await pause;
      const start = cursor === null ? end : Number(cursor);
      const events = Array.from({ length: end - start }, (_, i) => ({
        eventId: String(start + i),
        timestamp: '2026-01-01T00:00:00Z',
        data: { n: start + i },
      }));
      return { events, cursor: String(end) };
    },
  });
  const stream = await server.stream('jobs');
  await settle();
  pause = new Promise((resolve) => (finish = resolve));
  jobs.wake();
  await settle();
  // The check in progress has looked already.
  length = 1;
  jobs.wake();
  finish();
  const frames = await stream.take(2);
  expect(frames.at(-1)?.params.data).toEqual({ n: 0 });
});

it('ends the subscriptions of nobody in particular only when told so', async () => {
  server = new TestServer();
  server.events.define('jobs', { payload });
  await server.stream('jobs');
  await server.stream('jobs', {}, { as: 'alice' });
  const unknown: { name: string; principal?: string } = { name: 'jobs', principal: undefined };
  await expect((async () => server.events.terminate(unknown, forbidden()))()).rejects.toThrow(/leave it out/);
  expect(await server.events.terminate({ name: 'jobs', principal: null }, forbidden())).toBe(1);
  expect(server.events.subscriptions().map(({ principal }) => principal)).toEqual(['alice']);
});

it('PUSH-07 tells streams of a type without replay of failures and losses', async () => {
  server = new TestServer();
  const presence = server.events.define('presence', { payload, replay: false });
  const checked = server.events.define('checked', { payload, check: () => ({ events: [], cursor: '0' }) });
  const stream = await server.stream('presence');
  presence.reportFailure(internalError('upstream is away'));
  await presence.reportLoss();
  await presence.emit({ n: 1 });
  const frames = await stream.take(4);
  expect(frames.map(({ method }) => method?.split('/').at(-1))).toEqual(['active', 'error', 'error', 'event']);
  expect(() => checked.reportFailure(internalError())).toThrow(TypeError);
  await expect(checked.reportLoss()).rejects.toThrow(TypeError);
  expect(() => presence.wake()).toThrow(TypeError);
});

it.each([new Error('upstream is away'), 'upstream is away', undefined, { errorName: 'InternalError' }])(
  'PUSH-07 ERR-12 a failure that could not be told to anybody is refused: %o',
  async (error) => {
    server = new TestServer();
    const presence = server.events.define('presence', { payload });
    expect(() => presence.reportFailure(error as never)).toThrow(/must be an EventsError/);
    const stream = await server.stream('presence');
    expect(() => presence.reportFailure(error as never)).toThrow(/must be an EventsError/);
    await presence.emit({ n: 1 });
    expect((await stream.take(2)).map(({ method }) => method?.split('/').at(-1))).toEqual(['active', 'event']);
  },
);

describe('a schema that breaks what the last run promised', () => {
  const clock = new FakeClock();
  const required = (...names: string[]): JsonSchema => ({ ...payload, required: names });

  async function secondRun(
    options: Partial<EventsOptions> = {},
  ): Promise<{ warnings: string[]; cursor: string | null; storage: Storage }> {
    const storage = keptStorage(clock);
    server = new TestServer({ clock, storage });
    const jobs = server.events.define('jobs', { payload: required('n'), input });
    const { cursor } = await server.poll('jobs', null);
    for (let n = 1; n <= 3; n++) await jobs.emit({ n });
    await server.close();
    const warnings: string[] = [];
    server = new TestServer({
      clock,
      storage,
      onWarning: (message, { stage, name }) => warnings.push(`${stage} ${name}: ${message}`),
      ...options,
    });
    return { warnings, cursor: cursor as string | null, storage };
  }

  it('TERM-10 removes nothing without saying why and how much', async () => {
    const { warnings, cursor } = await secondRun();
    server.events.define('jobs', {
      payload: { ...required('n'), properties: { ...properties, n: { type: 'string' } } },
      input,
    });
    expect(warnings).toEqual([
      expect.stringMatching(
        /^define jobs: the payload schema of event type "jobs" is incompatible with the one of the last run \(\/properties\/n: the type changed from integer to string.*\): its subscriptions are ended/,
      ),
      expect.stringMatching(
        /^define jobs: 3 stored events of "jobs" are removed: its payload schema was changed incompatibly \(\/properties\/n: /,
      ),
    ]);
    expect(await server.poll('jobs', cursor)).toMatchObject({ events: [], truncated: true });
  });

  /** A log that fails to store that it was cleared: in memory it goes on as `begun`, in the next run it is what it was. */
  function thatCannotClear(log: EventLog, begun: EventLog): EventLog {
    let current = log;
    const clear = async (): Promise<void> => {
      current = begun;
      throw new Error('the storage is full');
    };
    return new Proxy(log, {
      get: (_target, member) => {
        if (member === 'clear') return clear;
        const value: unknown = Reflect.get(current, member, current);
        return typeof value === 'function' ? (value.bind(current) as unknown) : value;
      },
    });
  }

  it.each([
    ['where a new epoch began in memory', (log: EventLog) => thatCannotClear(log, memoryLog(clock))],
    ['where nothing changed', (log: EventLog) => thatCannotClear(log, log)],
  ])('TERM-12 removes in the next run what could not be removed, and nothing later: %s', async (_where, failing) => {
    const { cursor, storage } = await secondRun();
    const changed = {
      payload: { ...required('n'), properties: { ...properties, n: { type: 'string' } } },
      input,
    };
    const { openLog } = storage;
    storage.openLog = (name, retention) => failing(openLog(name, retention));
    server.events.define('jobs', changed);
    await settle();
    await server.close();
    for (const events of [0, 1]) {
      storage.openLog = openLog;
      const warnings: string[] = [];
      server = new TestServer({ clock, storage, onWarning: (message) => warnings.push(message) });
      const jobs = server.events.define('jobs', changed);
      expect(await server.poll('jobs', cursor)).toMatchObject({ events: [], truncated: true });
      expect((await server.events.inspect().events('jobs')).entries).toHaveLength(events);
      expect(warnings).toHaveLength(1 - events);
      await jobs.emit({ n: 'new' });
      await server.close();
    }
  });

  it('TERM-12 a removed type whose events could not be removed has them checked when it is offered again', async () => {
    const { cursor, storage } = await secondRun();
    const { openLog } = storage;
    storage.openLog = (name, retention) => thatCannotClear(openLog(name, retention), memoryLog(clock));
    server.events.define('jobs', { payload: required('n'), input }).remove();
    await settle();
    await server.close();
    storage.openLog = openLog;
    server = new TestServer({ clock, storage });
    server.events.define('jobs', {
      payload: { ...required('n'), properties: { ...properties, n: { type: 'string' } } },
      input,
    });
    expect(await server.poll('jobs', cursor)).toMatchObject({ events: [], truncated: true });
  });

  it('TERM-12 what is remembered of a type that is offered again at once stays, although its events could not be removed', async () => {
    const { storage } = await secondRun();
    const { openLog } = storage;
    storage.openLog = (name, retention) => thatCannotClear(openLog(name, retention), memoryLog(clock));
    server.events.define('jobs', { payload: required('n'), input }).remove();
    storage.openLog = openLog;
    server.events.define('jobs', {
      payload: { ...required('n'), properties: { ...properties, n: { type: 'string' } } },
      input,
    });
    const note = storage.notes.get('event-type:jobs');
    expect(note).toContain('"n":{"type":"string"}');
    await settle();
    expect(storage.notes.get('event-type:jobs')).toBe(note);
  });

  it('TERM-10 keeps events when only the arguments are described anew', async () => {
    const { warnings, cursor } = await secondRun();
    server.events.define('jobs', { payload: required('n'), input: { ...input, required: ['kind'] } });
    expect(warnings).toEqual([
      expect.stringContaining('the input schema of event type "jobs" is incompatible with the one of the last run'),
    ]);
    const polled = await server.poll('jobs', cursor, { arguments: { kind: 'a' } });
    expect(polled).toMatchObject({ truncated: false });
    expect(polled.events).toHaveLength(3);
  });

  it('TERM-10 is refused where the operator wants to decide first, with nothing changed, so that going back loses nothing', async () => {
    const { warnings, cursor, storage } = await secondRun({ breakingChanges: 'refuse' });
    const note = storage.notes.get('event-type:jobs');
    const changed = { payload: payload, input };
    expect(() => server.events.define('jobs', changed)).toThrow(
      /payload schema of event type "jobs" is incompatible .*property "n" is no longer required.*Nothing was changed.*breakingChanges: 'apply'/,
    );
    expect(() =>
      server.events.define('jobs', { payload: required('n'), input: { ...input, required: ['kind'] } }),
    ).toThrow(/input schema/);
    expect(storage.notes.get('event-type:jobs')).toBe(note);
    const jobs = server.events.define('jobs', { payload: required('n'), input });
    expect(() => jobs.update(changed)).toThrow(/incompatible with the one before/);
    await jobs.emit({ n: 4 });
    expect((await server.poll('jobs', cursor)).events).toHaveLength(4);
    expect(warnings).toEqual([]);
  });

  it('TERM-10 LIST-16 says and ends nothing when a schema is only worded anew', async () => {
    const { warnings, cursor } = await secondRun({ breakingChanges: 'refuse' });
    const worded = { ...required('n'), properties: { ...properties, n: { anyOf: [{ type: 'integer' }] } } };
    server.events.define('jobs', { payload: worded, input });
    expect((await server.poll('jobs', cursor)).events).toHaveLength(3);
    expect(warnings).toEqual([]);
  });

  it.each(['', 'never', true, null])('TERM-10 breakingChanges is apply or refuse, not %j', (breakingChanges) => {
    server = new TestServer();
    expect(() => new Events({ breakingChanges } as never)).toThrow("breakingChanges must be 'apply' or 'refuse', not");
  });
});

describe('a storage that throws at once', () => {
  const input = { type: 'object', properties: { kind: { type: 'string' } } };
  const payloadOf = (type: string): JsonSchema => ({ type: 'object', properties: { n: { type } }, required: ['n'] });

  /** Whose notes cannot be written. */
  function failing(clock: FakeClock): Storage {
    const inner = memoryStorage({ clock });
    const fail = (): never => {
      throw new Error('the storage is full');
    };
    const notes: Storage['notes'] = {
      get: (key) => inner.notes.get(key),
      set: fail,
      delete: fail,
    };
    return { ...durableStorage(new TestSubscriptionStore(), inner), notes };
  }

  it('TERM-12 keeps no type from being defined, changed and removed, and is reported', async () => {
    const clock = new FakeClock();
    const storage = failing(clock);
    server = new TestServer({ clock, storage });
    const jobs = server.events.define('jobs', { payload: payloadOf('integer'), input });
    await settle();
    expect(server.errors.map(({ stage }) => stage)).toEqual(['storage']);
    await jobs.emit({ n: 1 });
    jobs.update({ payload: payloadOf('string'), input });
    await settle();
    await jobs.emit({ n: 'new' });
    expect((await server.events.inspect().events('jobs')).entries).toHaveLength(1);
    jobs.remove();
    await settle();
    await expect(jobs.emit({ n: 2 })).rejects.toThrow('was removed');
    server.events.define('jobs', { payload: payloadOf('integer'), input });
  });

  it('TERM-12 a log that cannot be opened anew has nobody read the old one without pause', async () => {
    const clock = new FakeClock();
    const storage = keptStorage(clock);
    const { openLog } = storage;
    let reads = 0;
    storage.openLog = (name, retention) => {
      const log = openLog(name, retention);
      return new Proxy(log, {
        get: (target, member) => {
          if (member === 'read') reads++;
          const value: unknown = Reflect.get(target, member, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    };
    server = new TestServer({ clock, storage });
    const jobs = server.events.define('jobs', { payload: payloadOf('integer'), input });
    await jobs.emit({ n: 1 });
    const opened = storage.openLog;
    storage.openLog = () => {
      throw new Error('the storage is full');
    };
    const changed = { payload: payloadOf('string'), input };
    expect(() => jobs.update(changed)).toThrow('full');
    reads = 0;
    await server.stream('jobs').catch(() => {});
    await settle(50);
    expect(reads).toBeLessThan(5);
    // As soon as it can be opened the change is made.
    storage.openLog = opened;
    jobs.update(changed);
    await jobs.emit({ n: 'new' });
    expect((await server.events.inspect().events('jobs')).entries).toHaveLength(1);
  });
});
