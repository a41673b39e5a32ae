import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RecentKeys } from '../src/receiver/recentKeys.ts';

const step = fc.record({
  does: fc.constantFrom('add', 'add', 'add', 'delete'),
  key: fc.constantFrom(...'abcdefgh'),
});

it('RECV-12 keeps the keys added last, in their order, whatever is removed in between', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.integer({ min: 1, max: 5 }), (steps, maxKeys) => {
      const recent = new RecentKeys(maxKeys);
      let model: string[] = [];
      for (const { does, key } of steps) {
        recent[does](key);
        if (does === 'delete') model = model.filter((other) => other !== key);
        else if (!model.includes(key)) model = [...model, key].slice(-maxKeys);
        expect([...recent]).toEqual(model);
        expect(model.every((known) => recent.has(known))).toBe(true);
      }
    }),
  );
});

it('RECV-12 keeps no more than 8 Mi characters of them', () => {
  const recent = new RecentKeys(10);
  const long = (name: string): string => name.repeat(4 * 1024 * 1024);
  for (const name of ['a', 'b']) recent.add(long(name));
  expect([...recent]).toHaveLength(2);
  recent.add('c');
  expect([...recent].map((key) => key[0])).toEqual(['b', 'c']);
});
