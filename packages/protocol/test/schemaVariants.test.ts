import { describe, expect, it } from 'vitest';
import { compareSchemas, isBreaking } from '../src/index.ts';
import type { JsonSchema, SchemaRole } from '../src/index.ts';

const roles: SchemaRole[] = ['input', 'payload'];

function one(property: unknown): JsonSchema {
  return { type: 'object', properties: { p: property } };
}

function variant(tag: string, properties: JsonSchema = {}): JsonSchema {
  return { type: 'object', properties: { tag: { const: tag }, ...properties }, required: ['tag'] };
}

function breaks(role: SchemaRole, before: unknown, after: unknown): boolean {
  return isBreaking(compareSchemas(role, one(before), one(after)));
}

const text = { type: 'string' };
const number = { type: 'number' };

describe('choices in schemas', () => {
  it('LIST-06 may not lose a branch', () => {
    for (const role of roles) {
      for (const keyword of ['anyOf', 'oneOf']) {
        expect(breaks(role, { [keyword]: [variant('a'), variant('b')] }, { [keyword]: [variant('b')] })).toBe(true);
        expect(breaks(role, { [keyword]: [text, number] }, text)).toBe(true);
      }
    }
  });

  it('may gain a branch in arguments, but not in a payload, whose consumers know no others', () => {
    for (const keyword of ['anyOf', 'oneOf']) {
      const [before, after] = [{ [keyword]: [variant('a')] }, { [keyword]: [variant('b'), variant('a')] }];
      expect(breaks('input', before, after)).toBe(false);
      expect(breaks('payload', before, after)).toBe(true);
      expect(breaks('input', text, { [keyword]: [text, { type: 'null' }] })).toBe(false);
    }
  });

  it('may order and write their branches in another way', () => {
    const [a, b] = [variant('a'), variant('b')];
    for (const role of roles) {
      expect(breaks(role, { anyOf: [a, b] }, { anyOf: [b, a] })).toBe(false);
      expect(breaks(role, { anyOf: [a, b] }, { oneOf: [b, a] })).toBe(false);
      expect(breaks(role, a, { anyOf: [a] })).toBe(false);
      expect(breaks(role, { oneOf: [a] }, a)).toBe(false);
    }
  });

  it('LIST-06 may change within a branch as a whole schema may', () => {
    const before = { oneOf: [variant('a', { x: text }), variant('b')] };
    for (const role of roles) {
      expect(breaks(role, before, { oneOf: [variant('a', { x: text, y: text }), variant('b')] })).toBe(false);
      expect(breaks(role, before, { oneOf: [variant('a'), variant('b')] })).toBe(true);
      expect(breaks(role, before, { oneOf: [variant('a', { x: number }), variant('b')] })).toBe(true);
    }
    const [change] = compareSchemas('input', one(before), one({ oneOf: [variant('a'), variant('b')] }));
    expect(change).toMatchObject({ kind: 'propertyRemoved', path: '/properties/p/oneOf/0/properties/x' });
  });

  it('count as an enum when every branch is a constant', () => {
    const titled = (...values: string[]): JsonSchema => ({
      oneOf: values.map((value) => ({ const: value, title: value })),
    });
    for (const role of roles) {
      expect(breaks(role, titled('a'), titled('a', 'b'))).toBe(false);
      expect(breaks(role, titled('a', 'b'), titled('a'))).toBe(true);
      expect(breaks(role, { type: 'string', enum: ['a'] }, titled('b', 'a'))).toBe(false);
      expect(breaks(role, { enum: [1, 2] }, { oneOf: [{ type: 'integer', const: 1 }, { const: 2 }] })).toBe(false);
      const limited = { enum: ['a'], ...titled('a', 'b') };
      expect(compareSchemas(role, one(limited), one({ ...limited, enum: ['a', 'b'] }))).toHaveLength(1);
    }
    expect(breaks('input', titled('a', 'b'), titled('a', 'a', 'b'))).toBe(true);
  });

  it('LIST-07 may not gain a branch that makes oneOf match twice', () => {
    const before = { oneOf: [{ type: 'string', maxLength: 3 }, number] };
    expect(breaks('input', before, { oneOf: [...before.oneOf, { type: 'string', pattern: '^a' }] })).toBe(true);
    expect(breaks('input', before, { oneOf: [...before.oneOf, { type: 'integer' }] })).toBe(true);
    expect(breaks('input', before, { oneOf: [...before.oneOf, { type: 'boolean' }] })).toBe(false);
    // A string is outside of what properties describe, so it matches each of them.
    const untyped = (tag: string): JsonSchema => ({ ...variant(tag), type: undefined });
    expect(breaks('input', { oneOf: [untyped('a')] }, { oneOf: [untyped('a'), untyped('b')] })).toBe(true);
    const overlapping = { oneOf: [{ minLength: 1 }, { maxLength: 0 }] };
    expect(breaks('input', overlapping, { ...overlapping, title: 'unchanged' })).toBe(false);
    expect(breaks('input', overlapping, { oneOf: [{ minLength: 1 }, { maxLength: 1 }] })).toBe(true);
  });

  it('compare beside other keywords', () => {
    const properties = { a: text, b: text };
    const either = { type: 'object', properties, anyOf: [{ required: ['a'] }, { required: ['b'] }] };
    expect(breaks('input', either, { type: 'object', properties })).toBe(false);
    expect(breaks('input', { type: 'object', properties }, either)).toBe(true);
    expect(breaks('input', either, { ...either, anyOf: [{ required: ['a'] }] })).toBe(true);
    for (const role of roles) {
      const both = { anyOf: [text, number], oneOf: [variant('a'), text] };
      expect(breaks(role, both, { ...both, title: 'unchanged' })).toBe(false);
      expect(breaks(role, both, { ...both, anyOf: [text] })).toBe(true);
    }
  });

  it('compare the parts of allOf one by one', () => {
    const parts = [variant('a'), { minProperties: 1 }];
    expect(breaks('input', { allOf: parts }, { allOf: [variant('a')] })).toBe(false);
    expect(breaks('input', { allOf: [variant('a')] }, { allOf: parts })).toBe(true);
    expect(breaks('payload', { allOf: parts }, { allOf: [variant('a')] })).toBe(true);
    for (const role of roles) {
      expect(breaks(role, { allOf: parts }, { allOf: [variant('a', { x: text }), ...parts.slice(1)] })).toBe(false);
      expect(breaks(role, { allOf: [variant('a', { x: text })] }, { allOf: [variant('a')] })).toBe(true);
    }
  });
});

describe('references in schemas', () => {
  const tree = (node: JsonSchema): JsonSchema => ({
    type: 'object',
    properties: { root: { $ref: '#/$defs/node' } },
    $defs: {
      node: { type: 'object', properties: { kids: { type: 'array', items: { $ref: '#/$defs/node' } }, ...node } },
    },
  });

  it('LIST-06 are followed to what they refer to, also in a circle', () => {
    for (const role of roles) {
      const grown = compareSchemas(role, tree({ a: text }), tree({ a: text, b: text }));
      expect(new Set(grown.map(({ kind }) => kind))).toEqual(new Set(['propertyAdded']));
      expect(isBreaking(compareSchemas(role, tree({ a: text }), tree({})))).toBe(true);
      expect(isBreaking(compareSchemas(role, tree({ a: text }), tree({ a: number })))).toBe(true);
    }
  });

  it('may be replaced by what they refer to', () => {
    const inline = one(variant('a', { x: text }));
    const pointers = ['#/$defs/a', '#/$defs/a%2Fb', '#/$defs/a~1b', '#/definitions/list/0'];
    for (const role of roles) {
      for (const $ref of pointers) {
        const target = variant('a', { x: text });
        const referring = { ...one({ $ref }), $defs: { a: target, 'a/b': target }, definitions: { list: [target] } };
        expect(compareSchemas(role, referring, inline)).toEqual([]);
        expect(compareSchemas(role, inline, referring)).toEqual([]);
      }
    }
  });

  it('apply together with the keywords beside them', () => {
    const $defs = { a: { type: 'string', maxLength: 5 } };
    const before = { ...one({ $ref: '#/$defs/a', minLength: 1 }), $defs };
    for (const role of roles) {
      expect(compareSchemas(role, before, one({ type: 'string', maxLength: 5, minLength: 1 }))).toEqual([]);
      expect(compareSchemas(role, { ...one({ $ref: '#/$defs/a', title: 't' }), $defs }, one($defs.a))).toEqual([]);
    }
    for (const neighbour of [{ additionalProperties: false }, { additionalProperties: text }]) {
      const closed = { ...one({ $ref: '#/$defs/a', ...neighbour }), $defs: { a: variant('a') } };
      expect(isBreaking(compareSchemas('input', one({ ...variant('a'), ...neighbour }), closed))).toBe(true);
    }
    const stricter = { ...one({ $ref: '#/$defs/a', maxLength: 3 }), $defs };
    expect(isBreaking(compareSchemas('input', { ...one({ $ref: '#/$defs/a' }), $defs }, stricter))).toBe(true);
  });

  it('hide no change behind a keyword that is only compared as a whole', () => {
    const negated = (type: string): JsonSchema => ({ ...one({ not: { $ref: '#/$defs/a' } }), $defs: { a: { type } } });
    const vendor = (type: string): JsonSchema => ({ ...one({ 'x-a': { $ref: '#/$defs/a' } }), $defs: { a: { type } } });
    for (const role of roles) {
      expect(isBreaking(compareSchemas(role, negated('string'), negated('number')))).toBe(true);
      expect(isBreaking(compareSchemas(role, vendor('string'), vendor('number')))).toBe(true);
    }
  });

  it.each([
    'https://example.com/schema.json',
    'other.json#/$defs/a',
    '#/$defs/missing',
    '#anchor',
    '#/$defs/%',
    '#/$defs/self',
    '#/$defs/toString',
    '#/$defs/__proto__',
  ])('make %s incomparable, and so breaking, unless nothing at all has changed', ($ref) => {
    const before: JsonSchema = { ...one({ $ref }), $defs: { self: { $ref: '#/$defs/self' } } };
    for (const role of roles) {
      expect(compareSchemas(role, before, structuredClone(before))).toEqual([]);
      expect(compareSchemas(role, before, { ...before, title: 't' })).toEqual([
        { path: '/properties/p', kind: 'notComparable', breaking: true, message: expect.any(String) },
      ]);
    }
  });

  it.each([{ $dynamicRef: '#a' }, { $recursiveRef: '#' }, { $id: 'https://example.com/inner', type: 'string' }])(
    'make a schema incomparable that resolves them in another way: %j',
    (inner) => {
      for (const role of roles) {
        expect(compareSchemas(role, one(inner), { ...one(inner), title: 't' })).toMatchObject([
          { path: '/properties/p', kind: 'notComparable', breaking: true },
        ]);
      }
    },
  );

  it('end when variants that must exclude each other are recursive', () => {
    const $defs = {
      a: { type: 'object', properties: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/b' } }, required: ['a', 'b'] },
      b: { type: 'object', properties: { a: { $ref: '#/$defs/a' }, b: { $ref: '#/$defs/a' } }, required: ['a', 'b'] },
    };
    const choice = { ...one({ oneOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/b' }] }), $defs };
    for (const role of roles) expect(compareSchemas(role, choice, { ...choice, title: 't' })).toEqual([]);
  });

  it('are not trusted when a choice refers to itself for the same value', () => {
    const endless: JsonSchema = {
      ...one({ $ref: '#/$defs/a' }),
      $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }, text] } },
    };
    for (const role of roles) expect(isBreaking(compareSchemas(role, one(number), endless))).toBe(true);
  });
});

describe('schemas beyond the bounds of the comparison', () => {
  it('are breaking when nested too deep', () => {
    let deep: JsonSchema = text;
    for (let level = 0; level < 100_000; level++) deep = { properties: { p: deep } };
    for (const role of roles) {
      expect(compareSchemas(role, deep, deep)).toEqual([]);
      expect(compareSchemas(role, deep, {})).toMatchObject([{ path: '', kind: 'notComparable', breaking: true }]);
      expect(compareSchemas(role, {}, deep)).toMatchObject([{ path: '', kind: 'notComparable', breaking: true }]);
    }
  });

  it('are breaking when shared definitions multiply the work', () => {
    const doubling = (leaf: unknown): JsonSchema => ({
      ...one({ $ref: '#/$defs/0' }),
      $defs: Object.fromEntries(
        Array.from({ length: 40 }, (_, level) => [
          level,
          { properties: { a: { $ref: `#/$defs/${level + 1}` }, b: { $ref: `#/$defs/${level + 1}` } } },
        ]).concat([[40, leaf as never]]),
      ),
    });
    for (const role of roles) {
      expect(isBreaking(compareSchemas(role, doubling(text), doubling({ ...text, title: 't' })))).toBe(true);
    }
  });
});
