import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FilterIndex, passesFilter } from '../src/subscription/filterIndex.ts';

const scalar = fc.oneof(
  fc.constantFrom('a', 'b', 'c', '1', ''),
  fc.integer({ min: 0, max: 3 }),
  fc.boolean(),
  fc.constant(null),
);
const structure = fc.oneof(
  fc.record({ x: scalar, y: scalar }),
  fc.record({ y: scalar, x: scalar }),
  fc.tuple(scalar, scalar),
);
// Some lists are longer than is compared one by one, and some than is entered into the index.
const long = fc.integer({ min: 9, max: 70 }).map((length) => Array.from({ length }, (_, i) => i));
const value = fc.oneof(scalar, fc.array(fc.oneof(scalar, structure), { maxLength: 12 }), structure, long);
const filter = fc.constantFrom(
  { p: 'f' },
  { p: 'f', q: 'g' },
  { p: 'f', q: 'f', r: 'h' },
  {} as Record<string, string>,
);
const args = fc.record({ p: value, q: value, r: value, other: value }, { requiredKeys: [] });
const data = fc.record({ f: value, g: value, h: value }, { requiredKeys: [] });

interface Member {
  readonly subscription: { readonly arguments: Readonly<Record<string, unknown>> };
}

it('EMIT-04 finds by look-up exactly the subscriptions that a comparison of each would find', () => {
  fc.assert(
    fc.property(
      filter,
      fc.array(fc.tuple(args, fc.boolean()), { maxLength: 30 }),
      fc.array(data, { maxLength: 8 }),
      (declared, subscriptions, events) => {
        const index = new FilterIndex<Member>(declared);
        const members = subscriptions.map(([a]) => ({ subscription: { arguments: a } }));
        for (const member of members) index.add(member);
        const kept = members.filter((member, i) => {
          if (subscriptions[i]?.[1] === true) return true;
          index.delete(member);
          return false;
        });
        expect(index.size).toBe(kept.length);
        expect(index.members()).toEqual(new Set(kept));
        for (const event of events) {
          const found = index.candidates({ data: event });
          expect(new Set(found).size).toBe(found.length);
          const naive = kept.filter((member) => passesFilter(declared, member.subscription.arguments, { data: event }));
          expect(new Set(found)).toEqual(new Set(naive));
        }
      },
    ),
    { numRuns: 500 },
  );
});

it('EMIT-04 keeps a subscription with very many values out of the index and still finds it', () => {
  const index = new FilterIndex<Member>({ p: 'f', q: 'g' });
  const many = Array.from({ length: 50 }, (_, i) => i);
  const member = { subscription: { arguments: { p: many, q: many } } };
  index.add(member);
  expect(index.candidates({ data: { f: 49, g: 0 } })).toEqual([member]);
  expect(index.candidates({ data: { f: 50, g: 0 } })).toEqual([]);
  index.delete(member);
  expect(index.size).toBe(0);
});

it('EMIT-04 an event with long lists is compared with its subscriptions, not looked up under each combination', () => {
  const index = new FilterIndex<Member>({ p: 'f', q: 'g', r: 'h' });
  const matching = { subscription: { arguments: { p: [1, 2], q: 2, r: 3 } } };
  const foreign = { subscription: { arguments: { p: 1, q: 2, r: 'none' } } };
  index.add(matching);
  index.add(foreign);
  // All combinations together would be 64 billion.
  const many = Array.from({ length: 4_000 }, (_, i) => i);
  expect(index.candidates({ data: { f: many, g: many, h: many } })).toEqual([matching]);
});

it('EMIT-04 G5 a subscription with a list too long for the index is entered under its other arguments', () => {
  const index = new FilterIndex<Member>({ p: 'f', q: 'g' });
  const long = Array.from({ length: 9_000 }, (_, i) => `t${i}`);
  let looks = 0;
  const members = Array.from({ length: 300 }, (_, q) => {
    const subscription = {
      get arguments() {
        looks++;
        return { p: long, q };
      },
    };
    return { subscription };
  });
  for (const member of members) index.add(member);
  looks = 0;
  expect(index.candidates({ data: { f: 't8999', g: 7 } })).toEqual([members[7]]);
  expect(index.candidates({ data: { f: 'none', g: 7 } })).toEqual([]);
  expect(looks).toBe(2);
  for (const member of members) index.delete(member);
  expect([index.size, index.candidates({ data: { f: 't1', g: 7 } })]).toEqual([0, []]);
});

it('EMIT-04 G5 reads a long list of a subscription once, when it comes, not for each event', () => {
  let reads = 0;
  const list = new Proxy(
    Array.from({ length: 9_000 }, (_, i) => `t${i}`),
    {
      get: (target, member, receiver) => {
        if (typeof member === 'string' && /^\d+$/.test(member)) reads++;
        return Reflect.get(target, member, receiver) as unknown;
      },
    },
  );
  const index = new FilterIndex<Member>({ p: 'f' });
  const member = { subscription: { arguments: { p: list } } };
  index.add(member);
  const atFirst = reads;
  expect(atFirst).toBeGreaterThan(0);
  for (let n = 0; n < 50; n++) expect(index.candidates({ data: { f: `t${n}` } })).toEqual([member]);
  expect(index.candidates({ data: { f: ['a', 'b', 't17'] } })).toEqual([member]);
  expect(passesFilter({ p: 'f' }, { p: list }, { data: { f: 'none' } })).toBe(false);
  expect(reads).toBe(atFirst);
});

it.each([
  [{ org: 'a', repo: { x: 1, y: [1, { b: 2, a: 1 }] } }, { repo: { y: [1, { a: 1, b: 2 }], x: 1 }, org: 'a' }, true],
  [{ org: 'a', repo: 'b' }, { org: 'a' }, false],
  [[{ a: 1, b: 2 }], { b: 2, a: 1 }, true],
  [[1, 2], [[1, 2]], false],
  [[[1, 2]], [[2, 1]], false],
  ['{"a":1}', { a: 1 }, false],
  [new Date(0), '1970-01-01T00:00:00.000Z', true],
  [Number.NaN, null, true],
  [0, -0, true],
])('EMIT-04 SUB-03 values are compared as JSON, whatever the order of members: %j and %j', (wanted, present, same) => {
  for (const padding of [[], Array.from({ length: 20 }, (_, i) => `pad ${i}`)]) {
    const list = padding.length === 0 ? wanted : [...(Array.isArray(wanted) ? wanted : [wanted]), ...padding];
    const args = { p: list };
    expect(passesFilter({ p: 'f' }, args, { data: { f: present } })).toBe(same);
    const index = new FilterIndex<Member>({ p: 'f' });
    index.add({ subscription: { arguments: args } });
    expect(index.candidates({ data: { f: present } })).toHaveLength(same ? 1 : 0);
  }
});
