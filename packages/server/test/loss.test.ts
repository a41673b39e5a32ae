import * as api from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { LogFeed } from '../src/feed/logFeed.ts';
import { LiveFeed } from '../src/feed/liveFeed.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { kindsOf } from './kit/frames.ts';
import { counted, httpServer, numbersOf } from './kit/servers.ts';
import { keptStorage, memoryLog } from './kit/storage.ts';
import { postedNumbers, webhookServer } from './kit/webhookServer.ts';
import type { EventLog, EventsOptions, MaybePromise, Storage } from '@mcp-events/server';

/** Storage whose logs answer appends and gaps through `answer`. */
function answeringStorage(answer: (call: () => unknown) => Promise<unknown>): Storage {
  const storage = keptStorage(new FakeClock());
  const slow = (log: EventLog): EventLog =>
    new Proxy(log, {
      get: (target, member) => {
        const value: unknown = Reflect.get(target, member, target);
        if (typeof value !== 'function') return value;
        const call = (...args: unknown[]): unknown => (value as (...args: unknown[]) => unknown).apply(target, args);
        const isWrite = member === 'append' || member === 'skip';
        return isWrite ? (...args: unknown[]) => answer(() => call(...args)) : call;
      },
    });
  const openLog: Storage['openLog'] = (name, retention) => slow(storage.openLog(name, retention));
  return Object.assign(Object.create(storage) as Storage, { openLog });
}

/** A turn later, as one on a disk does. */
function slowStorage(): Storage {
  return answeringStorage((call) => settle(1).then(call));
}

/** All that was asked for in one turn together, as one does that writes in groups. */
function groupingStorage(): Storage {
  const group: (() => void)[] = [];
  return answeringStorage((call) => {
    if (group.length === 0) {
      setImmediate(() => {
        for (const write of group.splice(0)) write();
      });
    }
    return new Promise((resolve) => group.push(() => resolve(call())));
  });
}

/** Storage that answers for an event some turns of promises after it has answered for a gap. */
function unevenStorage(): Storage {
  const storage = keptStorage(new FakeClock());
  const turns = async <T>(count: number, answer: MaybePromise<T>): Promise<T> => {
    for (let turn = 0; turn < count; turn++) await Promise.resolve();
    return answer;
  };
  const openLog: Storage['openLog'] = (name, retention) => {
    const log = storage.openLog(name, retention);
    const append: EventLog['append'] = (event, options) => turns(9, log.append(event, options));
    const skip: EventLog['skip'] = () => turns(1, log.skip());
    return new Proxy(log, {
      get: (target, member) => {
        if (member === 'append') return append;
        if (member === 'skip') return skip;
        const value: unknown = Reflect.get(target, member, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  };
  return Object.assign(Object.create(storage) as Storage, { openLog });
}

describe.each<[string, () => Storage, Partial<EventsOptions>]>([
  ['at once', () => keptStorage(new FakeClock()), {}],
  ['later', slowStorage, {}],
  ['in groups', groupingStorage, {}],
  ['later for events', unevenStorage, {}],
  ['in groups, with what is timed and traced', groupingStorage, { telemetry: { api } }],
])('a loss in a log that answers %s', (_when, storage, options) => {
  it.each([true, false])('EMIT-17 PUSH-08 is told to streams at its place; the author waits: %s', async (waits) => {
    const server = httpServer({ storage: storage(), ...options });
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted');
    const steps = [
      () => type.emit({ n: 1 }),
      () => type.reportLoss(),
      () => type.emit({ n: 2 }),
      () => type.reportLoss(),
      () => type.reportLoss(),
      () => type.emit({ n: 3 }),
    ];
    const answers: Promise<unknown>[] = [];
    for (const step of steps) {
      answers.push(step());
      if (waits) await answers.at(-1);
    }
    await Promise.all(answers);
    const messages = await stream.arrived();
    expect(kindsOf(messages)).toEqual(['active', 'event', 'active', 'event', 'active', 'active', 'event']);
    expect(messages[2]?.params).toMatchObject({ truncated: true, cursor: await answers[1] });
  });

  it('EMIT-17 ENV-03 is told to webhooks, before what comes after it', async () => {
    const server = webhookServer({}, { storage: storage(), ...options });
    const type = server.events.define('counted', counted);
    await server.subscribe('counted');
    const reported = type.reportLoss();
    await type.emit({ n: 1 });
    await settle();
    await server.clock.advance(10_000);
    expect(server.recorder.envelopes('gap').map(({ body }) => body.cursor)).toEqual([await reported]);
    expect(postedNumbers(server)).toEqual([1]);
  });

  it('EMIT-17 CUR-12 gives the position right after the gap, and forgets nothing', async () => {
    const server = httpServer({ storage: storage(), ...options });
    const type = server.events.define('counted', counted);
    const { cursor: start } = await server.poll('counted', null);
    void type.emit({ n: 1 });
    const reported = type.reportLoss();
    await type.emit({ n: 2 });
    const after = await server.poll('counted', await reported);
    expect([numbersOf(after.events), after.truncated]).toEqual([[2], false]);
    const before = await server.poll('counted', start);
    expect([numbersOf(before.events), before.truncated]).toEqual([[1, 2], true]);
    const stream = await server.stream('counted', { cursor: start });
    expect(kindsOf(await stream.arrived())).toEqual(['active', 'event', 'active', 'event']);
  });
});

it('ORDER-01 EMIT-17 what is added from within a call of the storage comes behind what the call was for', async () => {
  const storage = keptStorage(new FakeClock());
  let within: (() => unknown) | undefined;
  // As whoever measures a call of the storage may do.
  const openLog: Storage['openLog'] = (name, retention) =>
    new Proxy(storage.openLog(name, retention), {
      get: (target, member) => {
        const value: unknown = Reflect.get(target, member, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          const answer: unknown = (value as (...given: unknown[]) => unknown).apply(target, args);
          const add = within;
          within = undefined;
          add?.();
          return answer;
        };
      },
    });
  const server = httpServer({ storage: Object.assign(Object.create(storage) as Storage, { openLog }) });
  const type = server.events.define('counted', counted);
  const stream = await server.stream('counted');
  const added: Promise<unknown>[] = [];
  within = () => added.push(type.emit({ n: 2 }));
  await type.emit({ n: 1 });
  within = () => added.push(type.reportLoss());
  await type.emit({ n: 3 });
  within = () => added.push(type.emit({ n: 4 }));
  await type.reportLoss();
  await Promise.all(added);
  const messages = await stream.arrived();
  expect(kindsOf(messages)).toEqual(['active', 'event', 'event', 'event', 'active', 'active', 'event']);
  const events = messages.filter(({ method }) => method === 'notifications/events/event');
  expect(events.map(({ params }) => params?.['data'])).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
});

it.each(['log', 'live'])(
  'EMIT-17 EMIT-03 an event of a %s reaches everybody before the loss that follows it',
  async (kind) => {
    const clock = new FakeClock();
    const feed =
      kind === 'live'
        ? new LiveFeed({}, clock)
        : new LogFeed({ log: memoryLog(clock), filter: {}, clock, report: () => {} });
    const got: string[][] = [];
    for (let i = 0; i < 2_500; i++) {
      const seen: string[] = [];
      got.push(seen);
      const subscription = { id: `s${i}`, arguments: {} } as never;
      const receive = (): void => void seen.push('event');
      const lose = (): void => void seen.push('gap');
      feed.attach({ subscription, receive, lose, fail: () => {} }, (feed.now() as { cursor: string }).cursor);
    }
    const occurrence = { eventId: 'e', name: 'counted', timestamp: '2026-01-01T00:00:00Z', dataJson: '{"n":1}' };
    void feed.append(occurrence, { byteLength: 7 });
    await feed.lose();
    await settle();
    expect(got.filter((seen) => seen.join() !== 'event,gap')).toEqual([]);
  },
);

it('EMIT-17 a receiver without room keeps the position before the gap', () => {
  const clock = new FakeClock();
  const feed = new LogFeed({ log: memoryLog(clock), filter: {}, clock, report: () => {} });
  const subscription = { id: 's', arguments: {} } as never;
  let left: string | null | undefined;
  const attachment = feed.attach(
    {
      subscription,
      receive: () => {},
      fail: () => {},
      lose: () => {
        left = attachment?.cursor();
        attachment?.detach();
      },
    },
    feed.now().cursor,
  );
  void feed.lose();
  expect([left, feed.now().cursor]).toEqual(['run.0', 'run.1']);
});

describe('a log that was restored from a backup', () => {
  const clock = new FakeClock();
  const subscription = {} as never;

  /** Seven events here, of which the original had the first four, and later ones of its own. */
  async function restoredFeed(): Promise<LogFeed> {
    const log = Object.assign(memoryLog(clock), { ancestors: [{ epoch: 'original', head: 4 }] });
    const feed = new LogFeed({ log, filter: {}, clock, report: () => {} });
    for (let n = 1; n <= 7; n++) {
      await feed.append(
        { eventId: `e${n}`, name: 'sample', timestamp: '2026-01-01T00:00:00Z', data: { n } },
        { byteLength: 10 },
      );
    }
    return feed;
  }

  it.each([
    ['where both are the same', 'original.2', false, 2],
    ['at the end of the backup', 'original.4', false, 4],
    ['beyond the backup', 'original.5', true, 4],
    ['far beyond the backup', 'original.900', true, 4],
    ['of a past nobody knows', 'unknown.2', true, 0],
  ])('EMIT-20 a cursor of the original %s goes on there', async (_what, cursor, truncated, position) => {
    const feed = await restoredFeed();
    const page = await feed.read(subscription, cursor, { limit: 100 });
    expect(page.truncated).toBe(truncated);
    const rest = truncated ? await feed.read(subscription, page.cursor as string, { limit: 100 }) : page;
    expect(rest.truncated).toBe(false);
    expect(rest.records.map((record) => record.position)).toEqual([1, 2, 3, 4, 5, 6, 7].slice(position));
  });
});
