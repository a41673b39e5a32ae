import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { compareSchemas, isBreaking } from '../src/index.ts';
import type { JsonSchema, SchemaRole } from '../src/index.ts';

const names = fc.constantFrom('a', 'b', 'c', 'd', '__proto__', 'x/y');
const role = fc.constantFrom<SchemaRole>('input', 'payload');

/** Any subschema; objects among them stand at every depth and in every place a schema can have one. */
const { schema, objectSchema } = fc.letrec<{ schema: JsonSchema; objectSchema: JsonSchema; scalar: JsonSchema }>(
  (tie) => ({
    schema: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      tie('scalar'),
      tie('objectSchema'),
      tie('schema').map((items) => ({ type: 'array', items })),
      fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
      tie('schema').map((part) => ({ allOf: [part] })),
    ),
    objectSchema: fc
      .record({
        properties: fc.dictionary(names, tie('schema'), { maxKeys: 3, noNullPrototype: true }),
        isRequired: fc.func(fc.boolean()),
        additionalProperties: fc.constantFrom(undefined, true, false),
      })
      .map(({ properties, isRequired, additionalProperties }) => ({
        type: 'object',
        properties,
        required: Object.keys(properties).filter((name) => isRequired(name)),
        ...(additionalProperties === undefined ? {} : { additionalProperties }),
      })),
    scalar: fc.oneof(
      fc.constantFrom<JsonSchema>({ type: 'string' }, { type: 'integer' }, { type: 'boolean' }, {}),
      fc.uniqueArray(fc.constantFrom('x', 'y', 'z', 1), { minLength: 1 }).map((values) => ({ enum: values })),
      fc.nat(4).map((minLength) => ({ type: 'string', minLength })),
      fc.nat(4).map((maximum) => ({ type: 'number', maximum })),
    ),
  }),
);

/** Every object schema within, the root first. */
function objectsWithin(node: unknown): JsonSchema[] {
  if (typeof node !== 'object' || node === null) return [];
  const below = Object.values(node).flatMap(objectsWithin);
  return (node as JsonSchema)['type'] === 'object' && 'properties' in node ? [node, ...below] : below;
}

/** A deep copy with members in another order and annotations added. */
function rewrite(node: unknown, isMap = false): unknown {
  if (Array.isArray(node)) return node.map((item) => rewrite(item));
  if (typeof node !== 'object' || node === null) return node;
  const members = Object.entries(node)
    .toReversed()
    .map(([key, member]): [string, unknown] => [key, key === 'enum' ? member : rewrite(member, key === 'properties')]);
  return Object.fromEntries(isMap ? members : [...members, ['description', 'rewritten']]);
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

describe('schema evolution of any schema', () => {
  it('finds nothing in a schema that only reads differently', () => {
    fc.assert(
      fc.property(role, objectSchema, (side, before) => {
        expect(compareSchemas(side, before, rewrite(before) as JsonSchema)).toEqual([]);
      }),
    );
  });

  it('LIST-06 takes a new optional property of the root for additive', () => {
    fc.assert(
      fc.property(role, objectSchema, schema, (side, before, added) => {
        const after = structuredClone(before);
        define(after['properties'] as object, 'added', added);
        const changes = compareSchemas(side, before, after);
        expect(changes.map(({ kind }) => kind)).toEqual(['propertyAdded']);
        expect(isBreaking(changes)).toBe(false);
      }),
    );
  });

  it('LIST-06 takes the loss of a property for breaking, wherever it was and whatever else came or went', () => {
    fc.assert(
      fc.property(role, objectSchema, fc.nat(), fc.nat(), fc.boolean(), (side, before, nth, mth, alsoAdds) => {
        const after = structuredClone(before);
        const candidates = objectsWithin(after).filter(
          ({ properties }) => Object.keys(properties as object).length > 0,
        );
        const chosen = candidates[nth % candidates.length];
        fc.pre(chosen !== undefined && !isInsideChoice(after, chosen));
        const properties = chosen['properties'] as Record<string, unknown>;
        const lost = Object.keys(properties)[mth % Object.keys(properties).length]!;
        Reflect.deleteProperty(properties, lost);
        chosen['required'] = (chosen['required'] as string[]).filter((name) => name !== lost);
        if (alsoAdds) define(properties, 'added', {});
        expect(compareSchemas(side, before, after)).toContainEqual(
          expect.objectContaining({ kind: 'propertyRemoved', breaking: true }),
        );
      }),
    );
  });

  it('LIST-07 never calls a change additive after which old arguments are refused', () => {
    fc.assert(
      fc.property(objectSchema, fc.nat(), schema, (before, nth, replacement) => {
        const after = structuredClone(before);
        replaceNth(after, nth, replacement);
        const changes = compareSchemas('input', before, after);
        // What a new property refuses was an unknown member before, and no part of the contract.
        fc.pre(!isBreaking(changes) && !changes.some(({ kind }) => kind === 'propertyAdded'));
        const [old, now] = [z.fromJSONSchema(before), z.fromJSONSchema(after)];
        for (const value of samples) {
          if (old.safeParse(value).success) expect(now.safeParse(value).success, JSON.stringify(value)).toBe(true);
        }
      }),
    );
  });
});

const scalars: unknown[] = ['', 'x', 'yyyy', 0, 1, 3, 2.5, true, null];
const samples: unknown[] = [
  {},
  ...scalars.flatMap((a) => [{ a }, { b: a }, { a: [a] }, { a: { a } }, { a, b: a, c: {} }]),
];

/** Whether an object schema stands in a branch, where a lost property makes the branch as a whole another one. */
function isInsideChoice(root: unknown, wanted: unknown): boolean {
  if (typeof root !== 'object' || root === null) return false;
  return Object.entries(root).some(([key, member]) =>
    key === 'anyOf' ? objectsWithin(member).includes(wanted as JsonSchema) : isInsideChoice(member, wanted),
  );
}

/** Puts a schema in the place of the nth property, counted over all objects within. */
function replaceNth(root: JsonSchema, nth: number, replacement: JsonSchema): void {
  const places = objectsWithin(root).flatMap(({ properties }) =>
    Object.keys(properties as object).map((name) => ({ target: properties as object, name })),
  );
  const place = places[nth % places.length];
  if (place) define(place.target, place.name, replacement);
}
