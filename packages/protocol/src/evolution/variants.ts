import { isJsonObject } from '../schemas/json.ts';
import type { JsonSchema } from '../schemas/json.ts';
import { jsonText } from './json.ts';
import { ignoredKeywords } from './keywords.ts';
import { resolve } from './resolve.ts';
import { allowedTypes, allowedValues, hasAllowedType, includesType } from './types.ts';

/** A schema taken apart into a choice and what applies to all of its branches. */
export interface Variants {
  keyword: 'anyOf' | 'oneOf';
  /** `undefined` if the schema offers no choice. */
  branches: unknown[] | undefined;
  rest: JsonSchema;
}

const constantKeywords: ReadonlySet<string> = new Set(['type', 'enum', 'const']);

/** Deepest property looked at when telling two variants apart. Tags of variants stand at the top or just below. */
const MAX_TAG_DEPTH = 3;

/**
 * Splits off the `oneOf` or `anyOf` of a schema. A choice between constants is the same as an `enum` and is rewritten
 * as one. Of both keywords the `oneOf` is split off, and `anyOf` becomes a part of `allOf`.
 */
export function readVariants(root: unknown, schema: JsonSchema): Variants {
  const keyword = Array.isArray(schema['oneOf']) ? 'oneOf' : 'anyOf';
  const { [keyword]: branches, ...rest } = schema;
  if (!Array.isArray(branches)) return { keyword, branches: undefined, rest: schema };
  if (keyword === 'oneOf' && 'anyOf' in rest) {
    const { anyOf, ...others } = rest;
    return { keyword, branches, rest: { ...others, allOf: [...partsOf(rest), { anyOf }] } };
  }
  const values = constantsOf(root, branches);
  if (values && !('enum' in rest) && !('const' in rest)) {
    return { keyword, branches: undefined, rest: { ...rest, enum: values } };
  }
  return { keyword, branches, rest };
}

/** The parts of an `allOf`. */
export function partsOf(schema: JsonSchema): unknown[] {
  return Array.isArray(schema['allOf']) ? schema['allOf'] : [];
}

/** Whether no two of the branches can accept the same value, so that `oneOf` means the same as `anyOf`. */
export function areDisjoint(root: unknown, branches: readonly unknown[]): boolean {
  return branches.every((branch, index) =>
    branches.slice(index + 1).every((other) => excludeEachOther(root, branch, other, 0)),
  );
}

/** The values of a choice that consists of nothing but constants, each named once. */
function constantsOf(root: unknown, branches: readonly unknown[]): unknown[] | undefined {
  const values: unknown[] = [];
  for (const branch of branches) {
    const schema = resolve(root, branch);
    const constants = schema ? (allowedValues(schema) ?? (schema['type'] === 'null' ? [null] : undefined)) : undefined;
    if (!schema || !constants?.every((value) => hasAllowedType(schema, value))) return undefined;
    if (!Object.keys(schema).every((keyword) => constantKeywords.has(keyword) || ignoredKeywords.has(keyword))) {
      return undefined;
    }
    values.push(...constants);
  }
  return new Set(values.map(jsonText)).size === values.length ? values : undefined;
}

function excludeEachOther(root: unknown, left: unknown, right: unknown, depth: number): boolean {
  const a = resolve(root, left);
  const b = resolve(root, right);
  if (a === undefined || b === undefined || depth > MAX_TAG_DEPTH) return false;
  if (a === false || b === false) return true;
  return haveNoCommonType(a, b) || haveNoCommonValue(a, b) || differInATag(root, a, b, depth);
}

function haveNoCommonType(a: JsonSchema, b: JsonSchema): boolean {
  const types = allowedTypes(a);
  const others = allowedTypes(b);
  return !types.some((type) => includesType(others, type)) && !others.some((type) => includesType(types, type));
}

function haveNoCommonValue(a: JsonSchema, b: JsonSchema): boolean {
  const values = allowedValues(a)?.map(jsonText);
  const others = allowedValues(b)?.map(jsonText);
  return values !== undefined && others !== undefined && !values.some((value) => others.includes(value));
}

/** Both are objects that must have some property, and its values in the one exclude those in the other. */
function differInATag(root: unknown, a: JsonSchema, b: JsonSchema, depth: number): boolean {
  const [first, second] = [requiredProperties(a), requiredProperties(b)];
  return [...first].some(
    ([name, schema]) => second.has(name) && excludeEachOther(root, schema, second.get(name), depth + 1),
  );
}

/** Empty unless every accepted value is an object, as `required` says nothing about other values. */
function requiredProperties(schema: JsonSchema): Map<string, unknown> {
  const { required, properties } = schema;
  const types = allowedTypes(schema);
  if (types.some((type) => type !== 'object') || !Array.isArray(required) || !isJsonObject(properties))
    return new Map();
  return new Map(Object.entries(properties).filter(([name]) => required.includes(name)));
}
