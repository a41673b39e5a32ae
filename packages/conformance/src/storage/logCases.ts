import assert from 'node:assert/strict';
import type { FeedEvent } from '@mcp-events/server';
import { appendAll, event, ids, readIds, unbounded } from './samples.ts';
import type { StorageCase } from './storageCase.ts';

/** A log within the life of one storage. */
export const logCases: readonly StorageCase[] = [
  {
    title: 'EMIT-08 gives events positions from 1 without holes, in the order of the calls, and settles in that order',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', unbounded);
      assert.deepEqual([log.head, log.oldest, await log.read(0, 10)], [0, 1, []]);
      const settled: number[] = [];
      await Promise.all(
        ids(700).map(async (id) => {
          const stored = await log.append(event(id), { byteLength: 10 });
          settled.push(stored.position);
        }),
      );
      assert.deepEqual(
        settled,
        ids(700).map((_, i) => i + 1),
      );
      assert.deepEqual([log.head, log.oldest], [700, 1]);
    },
  },
  {
    title: 'EMIT-08 resolves with the very event it was given, at its place',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', unbounded);
      const given = event('e1');
      assert.equal(await log.append(given, { byteLength: 10 }), given);
      assert.equal(given.position, 1);
    },
  },
  {
    title: 'EMIT-08 reads what follows a position, oldest first, at most as much as was asked for',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', unbounded);
      await appendAll(log, ids(5));
      assert.deepEqual(await readIds(log, 0, 2), ['e1', 'e2']);
      assert.deepEqual(await readIds(log, 2, 2), ['e3', 'e4']);
      assert.deepEqual(await readIds(log, 4, 2), ['e5']);
      assert.deepEqual(await readIds(log, 5, 2), []);
    },
  },
  {
    title: 'EMIT-08 reads a long past in pages that are never empty before its end',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', unbounded);
      await appendAll(log, ids(6_000));
      const read: string[] = [];
      while (read.length < 6_000) {
        const page = await readIds(log, read.length, Infinity);
        assert.ok(page.length > 0, `nothing after position ${read.length}`);
        read.push(...page);
      }
      assert.deepEqual(read, ids(6_000));
    },
  },
  {
    title: 'OCC-09 reads events as they were appended',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', unbounded);
      const data = JSON.parse('{"text":"ünï\\u0000\\ud83d\\ude00","__proto__":{"a":[1,2.5,null,true]}}') as Record<
        string,
        unknown
      >;
      const full = event('full', {
        timestamp: '2025-06-01T12:00:00.5+02:00',
        data,
        _meta: { a: { b: 1 } },
        target: 's',
      });
      const lean = event('lean', { data: undefined, dataJson: '{"n":1}' });
      const members = ({ eventId, name, timestamp, dataJson, _meta, target, position }: FeedEvent): unknown =>
        structuredClone({ eventId, name, timestamp, dataJson, _meta, target, position });
      await log.append(full, { byteLength: 10 });
      await log.append(lean, { byteLength: 10 });
      assert.deepEqual(((await log.read(0, 10)) as readonly FeedEvent[]).map(members), [members(full), members(lean)]);
    },
  },
  {
    title: 'EMIT-08 keeps as many events as it may',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', { ...unbounded, maxCount: 3 });
      await appendAll(log, ids(5));
      assert.deepEqual([log.head, log.oldest], [5, 3]);
      assert.deepEqual(await readIds(log), ['e3', 'e4', 'e5']);
    },
  },
  {
    title: 'EMIT-08 keeps as many bytes as it may, and nothing that is larger than that alone',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', { ...unbounded, maxBytes: 25 });
      await appendAll(log, ids(3));
      assert.deepEqual(await readIds(log), ['e2', 'e3']);
      await appendAll(log, ['large'], 26);
      assert.deepEqual([log.head, log.oldest], [4, 5]);
      await appendAll(log, ['small'], 25);
      assert.deepEqual(await readIds(log), ['small']);
    },
  },
  {
    title: 'EMIT-08 keeps events as long as it may, and goes on counting when all are gone',
    run: async ({ open, clock }) => {
      const log = (await open()).openLog('sample', { ...unbounded, maxAgeMs: 100 });
      await appendAll(log, ids(1_000));
      clock.pass(60);
      await appendAll(log, ['later']);
      clock.pass(40);
      assert.equal(log.oldest, 1);
      clock.pass(1);
      assert.deepEqual([log.oldest, await readIds(log)], [1_001, ['later']]);
      clock.pass(60);
      assert.deepEqual([log.head, log.oldest, await readIds(log)], [1_001, 1_002, []]);
      await appendAll(log, ['next']);
      assert.deepEqual([log.head, await readIds(log)], [1_002, ['next']]);
    },
  },
  {
    title: 'EMIT-17 gives a gap its place among events, in the order of the calls, and forgets nothing',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', unbounded);
      assert.equal((await log.skip()).position, 1);
      const [before, gap, after] = await Promise.all([appendAll(log, ids(2)), log.skip(), appendAll(log, ['next'])]);
      assert.deepEqual([before.at(-1)?.position, gap.position, after[0]?.position], [3, 4, 5]);
      assert.deepEqual([gap.kind, gap.error], ['gap', undefined]);
      assert.deepEqual([log.head, log.oldest, await readIds(log)], [5, 1, ['gap', 'e1', 'e2', 'gap', 'next']]);
      assert.deepEqual(
        (await log.read(3, 1)).map(({ kind, position }) => [kind, position]),
        [['gap', 4]],
      );
    },
  },
  {
    title: 'EMIT-17 retains a gap like an event',
    run: async ({ open, clock }) => {
      const log = (await open()).openLog('sample', { ...unbounded, maxCount: 3, maxAgeMs: 100 });
      await appendAll(log, ids(3));
      await log.skip();
      assert.deepEqual([log.oldest, await readIds(log)], [2, ['e2', 'e3', 'gap']]);
      await appendAll(log, ids(2, 'f'));
      assert.deepEqual(await readIds(log), ['gap', 'f1', 'f2']);
      clock.pass(60);
      await log.skip();
      clock.pass(60);
      assert.deepEqual([log.head, log.oldest, await readIds(log)], [7, 7, ['gap']]);
    },
  },
  {
    title: 'CUR-08 seeks past a gap as past what happened before it',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', unbounded);
      const at = (ms: number): Promise<unknown> =>
        Promise.resolve(log.append(event('e', { timestamp: new Date(ms).toISOString() }), { byteLength: 1 }));
      await log.skip();
      await at(1_000);
      await log.skip();
      await at(2_000);
      assert.deepEqual([await log.seek(0, 1_000), await log.seek(0, 1_001), await log.seek(3, 1_001)], [1, 3, 3]);
    },
  },
  {
    title: 'CUR-08 seeks by time where events happen in order',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', unbounded);
      const at = (n: number): string => new Date(1_000_000 + n * 1_000).toISOString();
      for (let n = 1; n <= 40; n++) await log.append(event(`e${n}`, { timestamp: at(n) }), { byteLength: 1 });
      assert.equal(await log.seek(0, 1_020_000), 19);
      assert.equal(await log.seek(0, 1_020_001), 20);
      assert.equal(await log.seek(30, 1_020_000), 30);
      assert.equal(await log.seek(0, 0), 0);
      assert.equal(await log.seek(0, 2_000_000), 40);
      assert.equal(await log.seek(40, 0), 40);
    },
  },
  {
    title: 'CUR-08 never seeks past an event that is recent enough',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', { ...unbounded, maxCount: 5 });
      const seconds = [9, 1, 7, 3, 8, 2, 6];
      for (const [i, s] of seconds.entries()) {
        await log.append(event(`e${i}`, { timestamp: new Date(s * 1_000).toISOString() }), { byteLength: 1 });
      }
      for (let position = 0; position <= seconds.length; position++) {
        for (let bound = 0; bound <= 10; bound++) {
          const found = await log.seek(position, bound * 1_000);
          const start = Math.max(position, log.oldest - 1);
          const passed = seconds.slice(start, found);
          assert.ok(found >= start && found <= log.head, `${found} from ${position}`);
          assert.ok(
            passed.every((s) => s < bound),
            `from ${position} to ${found} passes ${passed.join()} for ${bound}`,
          );
        }
      }
    },
  },
  {
    title: 'OCC-07 answers an event that is named again with the first, as long as that is kept',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', { ...unbounded, maxCount: 3 });
      const named = (data: object): Promise<FeedEvent> =>
        Promise.resolve(log.append(event('named', { data: { ...data } }), { byteLength: 10, unique: true }));
      const [first, second] = await Promise.all([named({ n: 1 }), named({ n: 2 })]);
      assert.deepEqual([first.position, second.position, second.dataJson], [1, 1, '{"n":1}']);
      await appendAll(log, ids(2));
      assert.equal((await named({ n: 3 })).dataJson, '{"n":1}');
      assert.equal(log.head, 3);
      await appendAll(log, ['e3']);
      const again = await named({ n: 4 });
      assert.deepEqual([again.position, again.dataJson], [5, '{"n":4}']);
    },
  },
  {
    title: 'OCC-07 counts what the same burst pushes out when an event is named again',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', { ...unbounded, maxCount: 2 });
      const named = async (): Promise<FeedEvent> => log.append(event('named'), { byteLength: 10, unique: true });
      const stored = await Promise.all([named(), appendAll(log, ids(2)), named()]);
      assert.deepEqual([stored[0].position, stored[2].position], [1, 4]);
    },
  },
  {
    title: 'OCC-07 stores a note with an event, or with the answer that the event is there',
    run: async ({ open }) => {
      const storage = await open();
      const log = storage.openLog('sample', unbounded);
      await log.append(event('e1'), { byteLength: 10, note: { key: 'done', value: '1' } });
      assert.equal(storage.notes.get('done'), '1');
      await log.append(event('e1'), { byteLength: 10, unique: true, note: { key: 'done', value: '2' } });
      assert.deepEqual([storage.notes.get('done'), log.head], ['2', 1]);
    },
  },
  {
    title: 'EMIT-09 begins anew in a new epoch, at once',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', unbounded);
      await appendAll(log, ids(3));
      const { epoch } = log;
      const late = log.append(event('late'), { byteLength: 10 });
      const cleared = log.clear();
      assert.notEqual(log.epoch, epoch);
      assert.match(log.epoch, /^[\w-]+$/);
      assert.deepEqual([log.head, log.oldest, await readIds(log)], [0, 1, []]);
      const fresh = await log.append(event('e1'), { byteLength: 10, unique: true });
      await Promise.all([late, cleared]);
      assert.deepEqual([fresh.position, log.head, await readIds(log)], [1, 1, ['e1']]);
    },
  },
  {
    title: 'EMIT-09 clears again and again',
    run: async ({ open }) => {
      const log = (await open()).openLog('sample', unbounded);
      const epochs = new Set([log.epoch]);
      for (let n = 0; n < 5; n++) {
        await appendAll(log, ids(20));
        await Promise.all([log.clear(), log.clear()]);
        epochs.add(log.epoch);
      }
      assert.equal(epochs.size, 6);
      assert.deepEqual([log.head, await readIds(log)], [0, []]);
    },
  },
  {
    title: 'EMIT-08 keeps logs of different names apart',
    run: async ({ open }) => {
      const storage = await open();
      const [one, two] = [storage.openLog('one', unbounded), storage.openLog("t'wo; --", unbounded)];
      await Promise.all([appendAll(one, ids(3, 'a')), appendAll(two, ids(2, 'b'))]);
      assert.notEqual(one.epoch, two.epoch);
      assert.deepEqual([await readIds(one), await readIds(two)], [ids(3, 'a'), ids(2, 'b')]);
      await one.clear();
      assert.deepEqual([one.head, two.head, await readIds(two)], [0, 2, ids(2, 'b')]);
      const same = await one.append(event('b1'), { byteLength: 10, unique: true });
      assert.equal(same.position, 1);
    },
  },
  {
    title: 'EMIT-09 opens a log that was closed as it was left, or as another past',
    run: async ({ open }) => {
      const storage = await open();
      const before = storage.openLog('sample', unbounded);
      await appendAll(before, ids(3));
      const { epoch } = before;
      await before.close();
      const after = storage.openLog('sample', unbounded);
      const isSame = after.epoch === epoch;
      assert.deepEqual([after.head, await readIds(after)], isSame ? [3, ids(3)] : [0, []]);
      await appendAll(after, ['next']);
      assert.equal(after.head, isSame ? 4 : 1);
    },
  },
];
