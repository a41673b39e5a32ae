import { describe, expect, it } from 'vitest';
import { compareSchemas, isBreaking } from '../src/index.ts';
import type { JsonSchema } from '../src/index.ts';

const roles = ['input', 'payload'] as const;
const property = (schema: JsonSchema): JsonSchema => ({ type: 'object', properties: { v: schema }, required: ['v'] });
const breaks = (role: 'input' | 'payload', before: JsonSchema, after: JsonSchema): boolean =>
  isBreaking(compareSchemas(role, property(before), property(after)));

const text = { type: 'string' };
const number = { type: 'number' };
const none = { type: 'null' };
const member = (name: string, schema: JsonSchema): JsonSchema => ({
  type: 'object',
  properties: { [name]: schema },
  required: [name],
});

const day = String.raw`\d{4}-\d{2}-\d{2}`;

/** The same contract as two versions of a schema library write it. */
const wordings: [what: string, one: JsonSchema, other: JsonSchema][] = [
  ['a choice of types', { anyOf: [text, number] }, { type: ['string', 'number'] }],
  ['the order of types', { type: ['null', 'string'] }, { type: ['string', 'null'] }],
  ['a value that may be null', { anyOf: [text, none] }, { type: ['string', 'null'] }],
  [
    'a bounded value that may be null',
    { anyOf: [{ ...text, minLength: 1, maxLength: 9 }, none] },
    { type: ['null', 'string'], minLength: 1, maxLength: 9 },
  ],
  [
    'bounded values of two types',
    {
      anyOf: [
        { ...number, minimum: 1 },
        { ...text, minLength: 2 },
      ],
    },
    { type: ['string', 'number'], minLength: 2, minimum: 1 },
  ],
  ['a choice within a choice', { anyOf: [text, { anyOf: [number, none] }] }, { type: ['string', 'number', 'null'] }],
  [
    'a choice of constants that may be null',
    { anyOf: [{ ...text, enum: ['a', 'b'] }, none] },
    { enum: ['a', 'b', null] },
  ],
  [
    'an e-mail address',
    {
      ...text,
      format: 'email',
      pattern: String.raw`^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$`,
    },
    {
      ...text,
      format: 'email',
      pattern: String.raw`^(?:[A-Za-z0-9_'+\-]+\.)*[A-Za-z0-9_'+\-]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$`,
    },
  ],
  [
    'a time with seconds or without',
    { ...text, format: 'date-time', pattern: String.raw`^${day}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z$` },
    { ...text, format: 'date-time', pattern: String.raw`^${day}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$` },
  ],
  [
    'a pattern with its format or without',
    { ...text, format: 'time', pattern: String.raw`^\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?$` },
    { ...text, pattern: String.raw`^\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?$` },
  ],
  ['the kind of a pattern', { ...text, pattern: '^a.*', format: 'starts_with' }, { ...text, pattern: '^a.*' }],
  [
    'a list with fixed places',
    { type: 'array', prefixItems: [text, number] },
    { type: 'array', prefixItems: [text, number], items: false, minItems: 2, maxItems: 2 },
  ],
  [
    'a list with fixed places and a rest',
    { type: 'array', prefixItems: [text], items: number },
    { type: 'array', prefixItems: [text], items: number, minItems: 1 },
  ],
  [
    'a list without places',
    { type: 'array', prefixItems: [] },
    { type: 'array', prefixItems: [], items: false, maxItems: 0 },
  ],
  [
    'objects that both apply',
    { allOf: [member('a', text), member('b', { anyOf: [number, none] })] },
    { type: 'object', properties: { a: text, b: { type: ['number', 'null'] } }, required: ['a', 'b'] },
  ],
  ['a name for the use of the library', { ...text, id: 'Shared' }, text],
];

describe('wordings of one schema', () => {
  it.each(wordings)('LIST-16 %s: one is as good as the other', (_what, one, other) => {
    for (const role of roles) {
      expect(compareSchemas(role, property(one), property(other))).toEqual([]);
      expect(compareSchemas(role, property(other), property(one))).toEqual([]);
    }
  });

  it('LIST-16 at the root, and below other wordings', () => {
    const one = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      allOf: [member('a', { anyOf: [text, none] }), member('b', text)],
    };
    const other = { type: 'object', properties: { a: { type: ['string', 'null'] }, b: text }, required: ['b', 'a'] };
    for (const role of roles) expect(compareSchemas(role, one, other)).toEqual([]);
  });
});

describe('changes that look like another wording', () => {
  it.each<[string, JsonSchema, JsonSchema]>([
    ['another type', { anyOf: [text, number] }, { type: ['string', 'boolean'] }],
    ['a type that is gone', { anyOf: [text, number, none] }, { type: ['string', 'null'] }],
    [
      "an author's pattern beside a format",
      { ...text, format: 'email', pattern: '@old.example$' },
      { ...text, format: 'email', pattern: '@new.example$' },
    ],
    [
      'a zone that is not allowed any more, or is',
      { ...text, format: 'date-time', pattern: String.raw`^${day}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})$` },
      { ...text, format: 'date-time', pattern: String.raw`^${day}T\d{2}:\d{2}:\d{2}Z$` },
    ],
    ['a pattern without a format', { ...text, pattern: '^a+$' }, { ...text, pattern: '^(a)+$' }],
    [
      'a pattern that cannot be read',
      { ...text, format: 'email', pattern: '(' },
      { ...text, format: 'email', pattern: '[' },
    ],
    ['a format of its own', { ...text, format: 'email' }, { ...text, format: 'uuid' }],
    [
      'a place of a list',
      { type: 'array', prefixItems: [text, number] },
      { type: 'array', prefixItems: [text], items: false },
    ],
    ['objects that overlap', { allOf: [member('a', text), member('a', { minLength: 3 })] }, member('a', number)],
  ])('LIST-06 LIST-07 %s', (_what, before, after) => {
    for (const role of roles)
      expect([role, breaks(role, before, after) || breaks(role, after, before)]).toEqual([role, true]);
  });

  it('LIST-07 a bound that came or went counts in its own direction', () => {
    const bare = { anyOf: [text, none] };
    const bounded = { type: ['string', 'null'], minLength: 1 };
    expect([breaks('input', bare, bounded), breaks('payload', bare, bounded)]).toEqual([true, false]);
    expect([breaks('input', bounded, bare), breaks('payload', bounded, bare)]).toEqual([false, true]);
  });

  it('LIST-06 a list of types may become a choice with more, for arguments', () => {
    const choice = { anyOf: [text, none, member('a', text)] };
    expect(breaks('input', { type: ['string', 'null'] }, choice)).toBe(false);
    expect(breaks('payload', { type: ['string', 'null'] }, choice)).toBe(true);
  });
});
