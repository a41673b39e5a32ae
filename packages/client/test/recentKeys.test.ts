import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RecentKeys } from '../src/receiver/recentKeys.ts';

const step = fc.record({
  does: fc.constantFrom('add', 'add', 'add', 'delete'),
  key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
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

it('RECV-12 forgets the oldest also where many were removed before', () => {
  const recent = new RecentKeys(2);
  let model: string[] = [];
  for (let n = 0; n < 300; n += 1) {
    recent.add(`${n}`);
    model = [...model, `${n}`].slice(-2);
    // Leaves places behind that nothing is at, up to their bound and past it.
    if (n % 20 < 12) {
      recent.delete(`${n}`);
      model = model.filter((key) => key !== `${n}`);
    }
    expect([...recent]).toEqual(model);
    for (let m = n - 40; m <= n; m += 1) expect(recent.has(`${m}`)).toBe(model.includes(`${m}`));
  }
});

it('RECV-12 keeps no more than 8 Mi characters of them', () => {
  const recent = new RecentKeys(10);
  const long = (name: string): string => name.repeat(4 * 1024 * 1024);
  for (const name of ['a', 'b']) recent.add(long(name));
  expect([...recent]).toHaveLength(2);
  recent.add('c');
  expect([...recent].map((key) => key[0])).toEqual(['b', 'c']);
});
