import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FilterIndex, passesFilter } from '../src/subscription/filterIndex.ts';

const scalar = fc.oneof(
  fc.constantFrom('a', 'b', 'c', '1', ''),
  fc.integer({ min: 0, max: 3 }),
  fc.boolean(),
  fc.constant(null),
);
const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 4 }), fc.record({ x: scalar }));
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
