import assert from 'node:assert/strict';
import { appendAll, event, ids, readIds, unbounded } from './samples.ts';
import type { StorageCase } from './storageCase.ts';

/** A log over several lives of its storage. */
export const durableLogCases: readonly StorageCase[] = [
  {
    title: 'EMIT-09 keeps epoch, positions and events when it is closed and opened again',
    durable: true,
    run: async ({ open }) => {
      const before = await open();
      const log = before.openLog('sample', unbounded);
      const { epoch } = log;
      await before.close();
      const again = await open();
      const same = again.openLog('sample', unbounded);
      assert.deepEqual([same.epoch, same.head, same.oldest], [epoch, 0, 1]);
      await appendAll(same, ids(3));
      await again.close();
      const after = (await open()).openLog('sample', unbounded);
      assert.deepEqual([after.epoch, after.head, after.oldest, await readIds(after)], [epoch, 3, 1, ids(3)]);
      await appendAll(after, ['next']);
      assert.deepEqual(await readIds(after, 2), ['e3', 'next']);
    },
  },
  {
    title: 'EMIT-09 keeps everything that was answered when it is killed, and of the rest the first calls or nothing',
    durable: true,
    run: async ({ open, crash }) => {
      const storage = await open();
      const log = storage.openLog('sample', unbounded);
      const { epoch } = log;
      await appendAll(log, ids(5));
      void appendAll(log, ids(50, 'unanswered')).catch(() => {});
      await crash();
      const after = (await open()).openLog('sample', unbounded);
      const expected = [...ids(5), ...ids(50, 'unanswered')];
      const read = await readIds(after);
      assert.equal(after.epoch, epoch);
      assert.ok(read.length >= 5);
      assert.deepEqual(read, expected.slice(0, read.length));
      assert.equal(after.head, read.length);
      assert.equal((await appendAll(after, ['next']))[0]?.position, read.length + 1);
    },
  },
  {
    title: 'EMIT-09 goes on counting after a kill when retention has emptied the log',
    durable: true,
    run: async ({ open, crash, clock }) => {
      const retention = { ...unbounded, maxAgeMs: 100 };
      const log = (await open()).openLog('sample', retention);
      await appendAll(log, ids(20));
      clock.pass(101);
      assert.equal(log.oldest, 21);
      await crash();
      const after = (await open()).openLog('sample', retention);
      assert.deepEqual([after.epoch, after.head, after.oldest], [log.epoch, 20, 21]);
      await appendAll(after, ['next']);
      assert.deepEqual([after.head, after.oldest], [21, 21]);
    },
  },
  {
    title: 'EMIT-08 applies the retention it is opened with',
    durable: true,
    run: async ({ open }) => {
      const before = await open();
      await appendAll(before.openLog('sample', unbounded), ids(2_000));
      await before.close();
      const again = await open();
      const log = again.openLog('sample', { ...unbounded, maxCount: 10 });
      assert.deepEqual([log.head, log.oldest], [2_000, 1_991]);
      await appendAll(log, ids(1_000, 'f'));
      await again.close();
      const after = (await open()).openLog('sample', { ...unbounded, maxBytes: 50 });
      assert.deepEqual([after.head, after.oldest, await readIds(after)], [3_000, 2_996, ids(1_000, 'f').slice(-5)]);
    },
  },
  {
    title: 'EMIT-17 remembers a gap and what was before it when it is killed',
    durable: true,
    run: async ({ open, crash }) => {
      const log = (await open()).openLog('sample', unbounded);
      await appendAll(log, ids(3));
      await log.skip();
      await crash();
      const after = (await open()).openLog('sample', unbounded);
      assert.deepEqual([after.epoch, after.head, after.oldest], [log.epoch, 4, 1]);
      assert.deepEqual(await readIds(after), ['e1', 'e2', 'e3', 'gap']);
      await appendAll(after, ['next']);
      assert.deepEqual([after.head, await readIds(after, 3)], [5, ['gap', 'next']]);
    },
  },
  {
    title: 'EMIT-09 never shows again what was cleared',
    durable: true,
    run: async ({ open, crash }) => {
      const log = (await open()).openLog('sample', unbounded);
      await appendAll(log, ids(2_000));
      await log.clear();
      await crash();
      const again = await open();
      const after = again.openLog('sample', unbounded);
      assert.deepEqual([after.epoch, after.head, await readIds(after)], [log.epoch, 0, []]);
      await appendAll(after, ['next']);
      await again.close();
      assert.deepEqual(await readIds((await open()).openLog('sample', unbounded)), ['next']);
    },
  },
  {
    title: 'OCC-07 knows named events after a restart',
    durable: true,
    run: async ({ open, crash }) => {
      const first = await (await open()).openLog('sample', unbounded).append(event('named'), { byteLength: 10 });
      await crash();
      const log = (await open()).openLog('sample', unbounded);
      const again = await log.append(event('named', { data: { other: true } }), { byteLength: 10, unique: true });
      assert.deepEqual([again.position, again.dataJson, log.head], [first.position, first.dataJson, 1]);
    },
  },
  {
    title: 'OCC-07 stores an event and its note both or neither',
    durable: true,
    run: async ({ open, crash }) => {
      const storage = await open();
      const log = storage.openLog('sample', unbounded);
      for (const id of ids(30)) {
        void Promise.resolve(log.append(event(id), { byteLength: 10, note: { key: 'last', value: id } })).catch(
          () => {},
        );
        if (id === 'e10') await log.append(event('answered'), { byteLength: 10 });
      }
      await crash();
      const after = await open();
      const stored = (await readIds(after.openLog('sample', unbounded))).filter((id) => id !== 'answered');
      assert.ok(stored.length >= 10);
      assert.equal(after.notes.get('last'), stored.at(-1));
    },
  },
  {
    title: 'EMIT-09 stores everything that was asked for before it is closed',
    durable: true,
    run: async ({ open }) => {
      const storage = await open();
      const log = storage.openLog('sample', unbounded);
      const appended = appendAll(log, ids(2_000));
      const noted = storage.notes.set({ key: 'k', value: 'v' });
      await storage.close();
      await Promise.all([appended, noted]);
      const after = await open();
      assert.equal(after.openLog('sample', unbounded).head, 2_000);
      assert.equal(after.notes.get('k'), 'v');
    },
  },
];
