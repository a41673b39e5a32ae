import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { compareSchemas, isBreaking } from '../src/index.ts';
import type { JsonSchema, SchemaChange, SchemaRole } from '../src/index.ts';

const roles: SchemaRole[] = ['input', 'payload'];

const incident: JsonSchema = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    severity: { type: 'string', enum: ['P1', 'P2'] },
    title: { type: 'string' },
    reporter: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
    tags: { type: 'array', items: { type: 'string' } },
  },
  required: ['id', 'severity'],
};

function withProperty(name: string, schema: unknown): JsonSchema {
  return { ...incident, properties: { ...(incident['properties'] as object), [name]: schema } };
}

function withoutProperty(name: string): JsonSchema {
  const { [name]: _, ...properties } = incident['properties'] as Record<string, unknown>;
  return { ...incident, properties };
}

/** A schema of one property. */
function one(property: unknown, rest: JsonSchema = {}): JsonSchema {
  return { type: 'object', properties: { p: property }, ...rest };
}

/** The change as `kind path`, with an exclamation mark if it is breaking. */
function shorthand({ kind, path, breaking }: SchemaChange): string {
  return `${kind} ${path || '(root)'}${breaking ? ' !' : ''}`;
}

function changes(role: SchemaRole, before: JsonSchema, after: JsonSchema): string[] {
  return compareSchemas(role, before, after).map(shorthand);
}

describe('schema evolution', () => {
  it('LIST-06 reports a removed field as breaking, at every depth', () => {
    for (const role of roles) {
      expect(changes(role, incident, withoutProperty('title'))).toEqual(['propertyRemoved /properties/title !']);
      expect(changes(role, incident, { ...withoutProperty('id'), required: ['severity'] })).toEqual([
        'propertyRemoved /properties/id !',
      ]);
      const { properties } = withProperty('reporter', { type: 'object', required: ['name'] });
      expect(changes(role, incident, { ...incident, properties })).toEqual([
        'propertyRemoved /properties/reporter/properties/name !',
      ]);
    }
  });

  it('LIST-06 reports a renamed field as one removed and one added', () => {
    const { title, ...others } = incident['properties'] as Record<string, unknown>;
    const renamed = { ...incident, properties: { ...others, headline: title } };
    for (const role of roles) {
      expect(changes(role, incident, renamed)).toEqual([
        'propertyRemoved /properties/title !',
        'propertyAdded /properties/headline',
      ]);
    }
  });

  it('LIST-06 reports a retyped field as breaking', () => {
    const retyped: unknown[] = [{ type: 'number' }, { type: 'array', items: { type: 'string' } }, { const: 7 }];
    for (const role of roles) {
      for (const schema of retyped) {
        expect(isBreaking(compareSchemas(role, incident, withProperty('title', schema)))).toBe(true);
      }
      expect(isBreaking(compareSchemas(role, one({ type: 'number' }), one({ type: 'integer' })))).toBe(true);
    }
  });

  it('LIST-06 reports a dropped enum value as breaking and a new one as additive', () => {
    for (const role of roles) {
      expect(changes(role, incident, withProperty('severity', { type: 'string', enum: ['P1'] }))).toEqual([
        'valuesRemoved /properties/severity/enum !',
      ]);
      expect(changes(role, incident, withProperty('severity', { type: 'string', enum: ['P3', 'P2', 'P1'] }))).toEqual([
        'valuesAdded /properties/severity/enum',
      ]);
      expect(changes(role, one({ const: 'a' }), one({ enum: ['a', 'b'] }))).toEqual(['valuesAdded /properties/p/enum']);
    }
  });

  it('LIST-06 reports a new optional field as additive, also where further properties were refused', () => {
    for (const role of roles) {
      for (const additionalProperties of [undefined, true, false]) {
        const before = { ...incident, additionalProperties };
        const after = { ...withProperty('link', { type: 'string' }), additionalProperties };
        expect(changes(role, before, after)).toEqual(['propertyAdded /properties/link']);
      }
    }
  });

  it('LIST-07 reports a newly required argument as breaking', () => {
    const after = { ...incident, required: ['id', 'severity', 'title'] };
    expect(changes('input', incident, after)).toEqual(['requiredAdded /required !']);
    expect(changes('payload', incident, after)).toEqual(['requiredAdded /required']);
  });

  it('LIST-07 reports an argument that is no longer required as additive; a payload may not lose a field so', () => {
    const after = { ...incident, required: ['id'] };
    expect(changes('input', incident, after)).toEqual(['requiredRemoved /required']);
    expect(changes('payload', incident, after)).toEqual(['requiredRemoved /required !']);
  });

  it.each<[string, JsonSchema, JsonSchema]>([
    ['minLength', { type: 'string' }, { type: 'string', minLength: 1 }],
    ['maxLength', { type: 'string', maxLength: 9 }, { type: 'string', maxLength: 8 }],
    ['minimum', { type: 'number', minimum: 0 }, { type: 'number', minimum: 1 }],
    ['exclusiveMaximum', { type: 'number' }, { type: 'number', exclusiveMaximum: 5 }],
    ['maxItems', { type: 'array', maxItems: 2 }, { type: 'array', maxItems: 1 }],
    ['minProperties', { type: 'object' }, { type: 'object', minProperties: 1 }],
    ['pattern', { type: 'string' }, { type: 'string', pattern: '^a' }],
    ['format', { type: 'string' }, { type: 'string', format: 'email' }],
    ['multipleOf', { type: 'integer' }, { type: 'integer', multipleOf: 2 }],
    ['uniqueItems', { type: 'array', uniqueItems: false }, { type: 'array', uniqueItems: true }],
  ])(
    'LIST-07 reports a tightened %s of arguments as breaking, and a loosened one of a payload',
    (keyword, lax, strict) => {
      const place = `/properties/p/${keyword}`;
      expect(changes('input', one(lax), one(strict))).toEqual([`constraintTightened ${place} !`]);
      expect(changes('input', one(strict), one(lax))).toEqual([`constraintLoosened ${place}`]);
      expect(changes('payload', one(lax), one(strict))).toEqual([`constraintTightened ${place}`]);
      expect(changes('payload', one(strict), one(lax))).toEqual([`constraintLoosened ${place} !`]);
    },
  );

  it('LIST-07 reports another pattern as breaking, as patterns cannot be ranked', () => {
    for (const role of roles) {
      expect(changes(role, one({ pattern: '^a' }), one({ pattern: '^[ab]' }))).toEqual([
        'keywordChanged /properties/p/pattern !',
      ]);
    }
  });

  it('LIST-07 lets arguments take more types, which in a payload is a retyped field', () => {
    const wider: [JsonSchema, JsonSchema][] = [
      [{ type: 'string' }, { type: ['string', 'null'] }],
      [{ type: 'string' }, { anyOf: [{ type: 'string' }, { type: 'null' }] }],
      [{ type: 'integer' }, { type: 'number' }],
      [{ enum: ['a'] }, { type: ['string', 'number'] }],
    ];
    for (const [before, after] of wider) {
      expect(isBreaking(compareSchemas('input', one(before), one(after)))).toBe(false);
      expect(isBreaking(compareSchemas('payload', one(before), one(after)))).toBe(true);
      expect(isBreaking(compareSchemas('input', one(after), one(before)))).toBe(true);
    }
  });

  it('LIST-07 reports arguments that are closed to further members as breaking', () => {
    const closed = { ...incident, additionalProperties: false };
    expect(changes('input', incident, closed)).toEqual(['constraintTightened /additionalProperties !']);
    expect(changes('payload', incident, closed)).toEqual(['constraintTightened /additionalProperties']);
    for (const role of roles) {
      expect(changes(role, closed, incident)).toEqual(['constraintLoosened /additionalProperties']);
    }
  });

  it('holds new properties to what was promised of all further ones', () => {
    const map = { type: 'object', additionalProperties: { type: 'string' } };
    for (const role of roles) {
      expect(changes(role, map, { ...map, properties: { a: { type: 'string' } } })).toEqual([
        'propertyAdded /properties/a',
      ]);
      expect(isBreaking(compareSchemas(role, map, { ...map, properties: { a: { type: 'number' } } }))).toBe(true);
      expect(isBreaking(compareSchemas(role, map, { type: 'object', additionalProperties: false }))).toBe(true);
      expect(isBreaking(compareSchemas(role, map, { ...map, additionalProperties: { type: 'number' } }))).toBe(true);
    }
    expect(changes('input', map, { type: 'object' })).toEqual(['constraintLoosened /additionalProperties']);
    expect(changes('payload', map, { type: 'object' })).toEqual(['constraintLoosened /additionalProperties !']);
    expect(changes('input', { type: 'object' }, map)).toEqual(['constraintTightened /additionalProperties !']);
  });

  it('compares items, in tuples place by place', () => {
    const tuple = { type: 'array', prefixItems: [{ type: 'string' }], items: { type: 'number' } };
    for (const role of roles) {
      expect(changes(role, incident, withProperty('tags', { type: 'array', items: { type: 'number' } }))).toEqual([
        'typeNarrowed /properties/tags/items !',
        role === 'payload' ? 'typeWidened /properties/tags/items !' : 'typeWidened /properties/tags/items',
      ]);
      const longer = { ...tuple, prefixItems: [{ type: 'string' }, { type: 'number' }] };
      expect(changes(role, one(tuple), one(longer))).toEqual([]);
      const retyped = { ...tuple, prefixItems: [{ type: 'string' }, { type: 'boolean' }] };
      expect(isBreaking(compareSchemas(role, one(tuple), one(retyped)))).toBe(true);
      expect(isBreaking(compareSchemas(role, one(tuple), one({ ...tuple, items: false })))).toBe(true);
    }
  });

  it('reads false as a part that must not be there', () => {
    const text = { type: 'string' };
    for (const role of roles) {
      expect(changes(role, one(text), one(false))).toEqual(['constraintTightened /properties/p !']);
      expect(changes(role, one(false), one(text))).toEqual(['constraintLoosened /properties/p']);
      expect(changes(role, one(false), one(false, { title: 't' }))).toEqual([]);
      expect(changes(role, one(true), one({}, { title: 't' }))).toEqual([]);
    }
  });

  it('never takes annotations, member order or the way a schema is written for a change', () => {
    const before = one({ type: ['string', 'null'], minLength: 0, uniqueItems: false, enum: ['a', null] });
    const after: JsonSchema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'https://example.com/schema',
      $comment: 'c',
      title: 't',
      additionalProperties: true,
      required: [],
      properties: {
        p: {
          enum: [null, 'a'],
          type: ['null', 'string'],
          description: 'd',
          default: 'a',
          examples: ['a'],
          deprecated: true,
        },
      },
      type: 'object',
      $defs: { unused: { type: 'string' } },
    };
    for (const role of roles) expect(changes(role, before, after)).toEqual([]);
  });

  it('reads a root without type as the object it describes', () => {
    for (const role of roles) expect(changes(role, {}, { type: 'object' })).toEqual([]);
    for (const role of roles) expect(changes(role, {}, incident)).toContain('propertyAdded /properties/id');
  });

  it('takes every difference in a keyword it does not know for breaking', () => {
    for (const role of roles) {
      for (const keyword of ['x-vendor', 'dependentRequired', 'not', 'if', 'patternProperties', 'propertyNames']) {
        const [before, after] = [one({ [keyword]: { a: {} } }), one({ [keyword]: { b: {} } })];
        const same = one({ [keyword]: { a: {} }, title: 'only an annotation' });
        expect(changes(role, before, after)).toEqual([`keywordChanged /properties/p/${keyword} !`]);
        expect(changes(role, one({}), after)).toEqual([`keywordChanged /properties/p/${keyword} !`]);
        expect(changes(role, before, same)).toEqual([]);
      }
      expect(changes(role, { $schema: 'http://json-schema.org/draft-07/schema#' }, {})).toEqual([
        'keywordChanged /$schema !',
      ]);
    }
  });

  it('escapes property names in paths', () => {
    expect(changes('input', { properties: { 'a/b~c': {} } }, {})).toContain('propertyRemoved /properties/a~1b~0c !');
    const hostile = JSON.parse('{"properties":{"__proto__":{"type":"string"}}}') as JsonSchema;
    expect(changes('input', hostile, {})).toEqual(['propertyRemoved /properties/__proto__ !']);
  });

  it('works on what zod makes of an event type', () => {
    const before = z.object({ id: z.string(), severity: z.enum(['P1', 'P2']), at: z.iso.datetime() });
    const toJson = (schema: z.ZodType): JsonSchema => z.toJSONSchema(schema);
    for (const role of roles) {
      const grown = before.extend({ note: z.string().optional(), severity: z.enum(['P1', 'P2', 'P3']) });
      expect(isBreaking(compareSchemas(role, toJson(before), toJson(grown)))).toBe(false);
      expect(isBreaking(compareSchemas(role, toJson(before), toJson(before.omit({ at: true }))))).toBe(true);
      expect(isBreaking(compareSchemas(role, toJson(before), toJson(before.extend({ id: z.number() }))))).toBe(true);
    }
  });

  it('says in words what changed', () => {
    const [change] = compareSchemas('input', one({ type: 'string' }), one({ type: 'string', minLength: 3 }));
    expect(change).toEqual({
      path: '/properties/p/minLength',
      kind: 'constraintTightened',
      breaking: true,
      message: 'minLength changed from none to 3',
    });
  });
});
