import assert from 'node:assert/strict';
import { deadLetterBounds } from '@mcp-events/server';
import type { DeadLetterFilter, Storage } from '@mcp-events/server';
import { deadLetter, ids, subscription } from './samples.ts';
import type { StorageCase } from './storageCase.ts';

/** Subscriptions, dead letters and notes. */
export const recordCases: readonly StorageCase[] = [
  {
    title: 'SUB-06 keeps the last record of each subscription until it is deleted',
    run: async ({ open }) => {
      const { subscriptions } = await open();
      await subscriptions.delete('never there');
      await Promise.all(ids(2_500, 'sub').map(async (id) => subscriptions.save(subscription(id))));
      await subscriptions.save(subscription('sub7', { cursor: 'e.1' }));
      await subscriptions.save(subscription('sub7', { cursor: 'e.2', refreshBeforeMs: 5 }));
      await subscriptions.delete('sub8');
      const loaded = new Map([...(await subscriptions.load())].map((record) => [record.id, record]));
      assert.equal(loaded.size, 2_499);
      assert.deepEqual(loaded.get('sub7'), subscription('sub7', { cursor: 'e.2', refreshBeforeMs: 5 }));
      assert.equal(loaded.has('sub8'), false);
    },
  },
  {
    title: 'TTL-10 gives back every member of a subscription as it was, whatever the caller does with its own',
    run: async ({ open }) => {
      const { subscriptions } = await open();
      const settled = ['a', 'b'];
      const full = subscription('sub', {
        arguments: JSON.parse('{"__proto__":{"x":1},"nested":[{"ü":null}],"n":1.5}') as Record<string, unknown>,
        url: 'https://agent.example/a?b=c#d',
        dialect: 'sketch',
        secret: 'sealed:one',
        replacedSecret: { secret: 'sealed:two', untilMs: 1_767_225_600_000 },
        refreshBeforeMs: 1_767_225_600_123,
        cursor: 'epoch.12',
        settled,
        suspended: true,
        failing: { sinceMs: 1_767_225_600_000, reason: 'timeout' },
        gapAfter: 'epoch.9',
      });
      const expected = structuredClone(full);
      await subscriptions.save(full);
      const loaded = [...(await subscriptions.load())];
      assert.equal(JSON.stringify(sorted(loaded[0] ?? {})), JSON.stringify(sorted(expected)));
    },
  },
  {
    title: 'TTL-11 has every record after a kill that was answered',
    durable: true,
    run: async ({ open, crash }) => {
      const { subscriptions } = await open();
      await Promise.all(ids(20, 'sub').map(async (id) => subscriptions.save(subscription(id, { cursor: 'e.1' }))));
      await subscriptions.save(subscription('sub1', { cursor: 'e.2', settled: ['x'] }));
      await subscriptions.delete('sub2');
      await crash();
      const loaded = new Map([...(await (await open()).subscriptions.load())].map((record) => [record.id, record]));
      assert.equal(loaded.size, 19);
      assert.deepEqual(loaded.get('sub1'), subscription('sub1', { cursor: 'e.2', settled: ['x'] }));
      assert.equal(loaded.has('sub2'), false);
    },
  },
  {
    title: 'DELIV-08 numbers dead letters from 1 and never uses a number again',
    run: async ({ open }) => {
      const { deadLetters } = await open();
      await Promise.all(ids(3).map(async (id) => deadLetters.add(deadLetter(id))));
      await deadLetters.delete(3);
      await deadLetters.delete(99);
      await deadLetters.add(deadLetter('e4'));
      const numbered = (await deadLetters.find({})).map(({ number, eventId }) => [number, eventId]);
      assert.deepEqual(numbered, [
        [1, 'e1'],
        [2, 'e2'],
        [4, 'e4'],
      ]);
    },
  },
  {
    title: 'DELIV-08 finds dead letters by any of their members, and gives them back as they were',
    run: async ({ open }) => {
      const { deadLetters } = await open();
      const letters = [
        deadLetter('e1', { dataJson: '{"__proto__":1}', _meta: { a: [1] }, cursor: 'epoch.1', reason: 'http_5xx' }),
        deadLetter('e1', { subscriptionId: 'sub_2' }),
        deadLetter('e2', { subscriptionId: 'sub_2', principal: 'bob', name: 'other' }),
      ];
      for (const letter of letters) await deadLetters.add(letter);
      const find = async (filter: DeadLetterFilter): Promise<number[]> =>
        (await deadLetters.find(filter)).map(({ number }) => number);
      assert.deepEqual(
        (await deadLetters.find({})).map(({ _meta, ...letter }) =>
          _meta === undefined ? letter : { ...letter, _meta },
        ),
        letters.map((letter, i) => ({ ...letter, number: i + 1 })),
      );
      assert.deepEqual(await find({ subscriptionId: 'sub_2' }), [2, 3]);
      assert.deepEqual(await find({ eventId: 'e1', subscriptionId: 'sub_2' }), [2]);
      assert.deepEqual(await find({ principal: 'bob' }), [3]);
      assert.deepEqual(await find({ name: 'other', principal: undefined }), [3]);
      assert.deepEqual(await find({ number: 1 }), [1]);
      assert.deepEqual(await find({ number: 1, principal: 'bob' }), []);
      const page = async (filter: DeadLetterFilter, after?: number, limit?: number): Promise<number[]> =>
        (await deadLetters.find(filter, { after, limit })).map(({ number }) => number);
      assert.deepEqual(await page({}, undefined, 2), [1, 2]);
      assert.deepEqual(await page({}, 1), [2, 3]);
      assert.deepEqual(await page({ subscriptionId: 'sub_2' }, 2, 5), [3]);
      assert.deepEqual(await page({}, 3, 1), []);
    },
  },
  {
    title: 'DELIV-08 forgets the oldest dead letters of a subscription that has too many, then the oldest of all',
    run: async ({ open }) => {
      const { deadLetters } = await open();
      const { maxCount, maxCountPerSubscription } = deadLetterBounds;
      const add = async (subscriptionId: string, count: number): Promise<void> => {
        await Promise.all(ids(count).map(async (id) => deadLetters.add(deadLetter(id, { subscriptionId }))));
      };
      await add('first', 10);
      await add('noisy', maxCountPerSubscription + 5);
      assert.equal((await deadLetters.find({ subscriptionId: 'noisy' })).length, maxCountPerSubscription);
      assert.equal((await deadLetters.find({ subscriptionId: 'noisy' }))[0]?.eventId, 'e6');
      assert.equal((await deadLetters.find({ subscriptionId: 'first' })).length, 10);
      for (let n = 1; n < maxCount / maxCountPerSubscription; n++) await add(`other${n}`, maxCountPerSubscription);
      assert.equal((await deadLetters.find({})).length, maxCount);
      assert.equal((await deadLetters.find({ subscriptionId: 'first' })).length, 0);
      assert.equal((await deadLetters.find({ subscriptionId: 'noisy' })).length, maxCountPerSubscription);
    },
  },
  {
    title: 'DELIV-08 forgets the oldest dead letters when all together are too large',
    run: async ({ open }) => {
      const { deadLetters } = await open();
      const large = JSON.stringify({ text: 'x'.repeat(deadLetterBounds.maxBytes / 4) });
      for (const id of ids(5)) await deadLetters.add(deadLetter(id, { dataJson: large }));
      assert.deepEqual(
        (await deadLetters.find({})).map(({ eventId }) => eventId),
        ['e3', 'e4', 'e5'],
      );
    },
  },
  {
    title: 'DELIV-08 keeps dead letters of just as many bytes as it may',
    run: async ({ open }) => {
      const { deadLetters } = await open();
      const quarter = JSON.stringify({ text: 'x'.repeat(deadLetterBounds.maxBytes / 4 - 11) });
      assert.equal(quarter.length, deadLetterBounds.maxBytes / 4);
      for (const id of ids(5)) await deadLetters.add(deadLetter(id, { dataJson: quarter }));
      assert.deepEqual(
        (await deadLetters.find({})).map(({ eventId }) => eventId),
        ['e2', 'e3', 'e4', 'e5'],
      );
    },
  },
  {
    title: 'DELIV-08 has every dead letter after a kill that was answered, and goes on counting',
    durable: true,
    run: async ({ open, crash }) => {
      const { deadLetters } = await open();
      for (const id of ids(3)) await deadLetters.add(deadLetter(id));
      await deadLetters.delete(3);
      await crash();
      const after = (await open()).deadLetters;
      await after.add(deadLetter('e4'));
      assert.deepEqual(
        (await after.find({})).map(({ number, eventId }) => [number, eventId]),
        [
          [1, 'e1'],
          [2, 'e2'],
          [4, 'e4'],
        ],
      );
    },
  },
  {
    title: 'sees a note from the moment it is set until it is deleted',
    run: async ({ open }) => {
      const { notes } = await open();
      assert.equal(notes.get('k'), undefined);
      await notes.delete('k');
      const set = notes.set({ key: 'k', value: '1' });
      assert.equal(notes.get('k'), '1');
      await set;
      const [deleted, again] = [notes.delete('k'), notes.set({ key: 'k', value: '' })];
      await deleted;
      assert.equal(notes.get('k'), '');
      await again;
      assert.equal(notes.get('k'), '');
      await notes.delete('k');
      assert.equal(notes.get('k'), undefined);
    },
  },
  {
    title: 'has every note after a kill that was answered',
    durable: true,
    run: async ({ open, crash }) => {
      const { notes } = await open();
      await Promise.all([notes.set({ key: 'a', value: '1' }), notes.set({ key: 'b', value: '1' })]);
      await Promise.all([notes.set({ key: 'a', value: '2' }), notes.delete('b')]);
      await crash();
      const after: Storage = await open();
      assert.deepEqual([after.notes.get('a'), after.notes.get('b')], ['2', undefined]);
    },
  },
];

/** Members in the order of their names: engines may keep them in any. */
function sorted(record: object): object {
  return Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
