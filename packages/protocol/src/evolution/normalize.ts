import { isJsonObject } from '../schemas/json.ts';
import type { JsonSchema } from '../schemas/json.ts';
import { formatOf } from './formats.ts';
import { ignoredKeywords, structuralKeywords } from './keywords.ts';
import { resolve } from './resolve.ts';

/** Keywords that limit values of one type only. Those of objects and lists are not moved. */
const scalarKeywords: Readonly<Record<string, readonly string[]>> = {
  string: ['minLength', 'maxLength', 'pattern', 'format', 'contentEncoding', 'contentMediaType'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  boolean: [],
  null: [],
};

/**
 * Both schemas in the form that is compared, at their top: versions of schema libraries and authors write one thing in
 * several ways.
 */
export function normalized(
  beforeRoot: unknown,
  before: JsonSchema,
  afterRoot: unknown,
  after: JsonSchema,
): readonly [JsonSchema, JsonSchema] {
  const [old, now] = [withoutAllOf(beforeRoot, before), withoutAllOf(afterRoot, after)];
  // Where only one of them can be written as one object, part by part tells more.
  const isComparable = old !== undefined && now !== undefined;
  const [oldForm, newForm] = isComparable ? [old, now] : [before, after];
  return alignedTuples(
    withoutPatternKind(withFlatChoice(beforeRoot, oldForm)),
    withoutPatternKind(withFlatChoice(afterRoot, newForm)),
  );
}

function withFlatChoice(root: unknown, schema: JsonSchema): JsonSchema {
  const { anyOf } = schema;
  return Array.isArray(anyOf) ? { ...schema, anyOf: flattened(root, anyOf) } : schema;
}

/** A list of scalar types as a choice, with one branch for each of them; `undefined` for any other schema. */
export function asBranches(schema: JsonSchema): JsonSchema[] | undefined {
  if (!Array.isArray(schema['type'])) return undefined;
  const types = typesOf(schema);
  if (types === undefined) return undefined;
  const known = new Set(types.flatMap((type) => scalarKeywords[type] ?? []));
  const keywords = Object.entries(schema).filter(([keyword]) => keyword !== 'type' && !ignoredKeywords.has(keyword));
  if (keywords.some(([keyword]) => !known.has(keyword))) return undefined;
  return types.map((type) => ({
    type,
    ...Object.fromEntries(keywords.filter(([keyword]) => (scalarKeywords[type] ?? []).includes(keyword))),
  }));
}

function typesOf({ type }: JsonSchema): string[] | undefined {
  const types = Array.isArray(type) ? type : [type];
  const isScalar = (one: unknown): one is string => typeof one === 'string' && Object.hasOwn(scalarKeywords, one);
  return types.every(isScalar) ? types : undefined;
}

/** A choice within a choice is one choice. */
function flattened(root: unknown, branches: readonly unknown[], depth = 0): unknown[] {
  return branches.flatMap((branch) => {
    const schema = depth < 8 ? resolve(root, branch) : undefined;
    if (!schema || !Array.isArray(schema['anyOf'])) return [branch];
    const isBare = Object.keys(schema).every((keyword) => keyword === 'anyOf' || ignoredKeywords.has(keyword));
    return isBare ? flattened(root, schema['anyOf'], depth + 1) : [branch];
  });
}

/** Of one object: their meaning depends on which properties stand beside them. */
const wholeObjectKeywords: ReadonlySet<string> = new Set([
  'additionalProperties',
  'unevaluatedProperties',
  'patternProperties',
  '$ref',
]);

/**
 * Objects that all apply and say nothing of each other's properties are one object with the properties of all; `undefined`
 * where they cannot be written so.
 */
function withoutAllOf(root: unknown, schema: JsonSchema): JsonSchema | undefined {
  const { allOf, ...rest } = schema;
  if (!Array.isArray(allOf)) return schema;
  const properties: JsonSchema = {};
  const required = new Set<unknown>();
  const others: JsonSchema = {};
  let isObject = false;
  for (const part of [rest, ...allOf.map((one) => resolve(root, one))]) {
    if (!part) return undefined;
    const { type, properties: own = {}, required: ownRequired = [], ...keywords } = part;
    if (type !== undefined && type !== 'object') return undefined;
    if (!isJsonObject(own) || !Array.isArray(ownRequired)) return undefined;
    isObject ||= type === 'object';
    for (const [keyword, value] of Object.entries(keywords)) {
      if (part !== rest && ignoredKeywords.has(keyword)) continue;
      if (wholeObjectKeywords.has(keyword) || keyword in others || structuralKeywords.has(keyword)) return undefined;
      others[keyword] = value;
    }
    for (const [name, value] of Object.entries(own)) {
      if (Object.hasOwn(properties, name)) return undefined;
      Object.defineProperty(properties, name, { value, enumerable: true, configurable: true, writable: true });
    }
    for (const name of ownRequired) required.add(name);
  }
  if (!isObject) return undefined;
  return { ...others, type: 'object', properties, ...(required.size === 0 ? {} : { required: [...required] }) };
}

function withoutPatternKind(schema: JsonSchema): JsonSchema {
  if (!('format' in schema) || formatOf(schema) !== undefined) return schema;
  const { format: _kind, ...rest } = schema;
  return rest;
}

/**
 * Both versions of a list with fixed places, without the bounds that only one of them writes out: libraries mean a list of
 * just these places, and not all versions of them say so.
 */
function alignedTuples(before: JsonSchema, after: JsonSchema): readonly [JsonSchema, JsonSchema] {
  const [old, now] = [before['prefixItems'], after['prefixItems']];
  if (!Array.isArray(old) || !Array.isArray(now) || old.length !== now.length) return [before, after];
  const align = (schema: JsonSchema, other: JsonSchema): JsonSchema =>
    Object.fromEntries(
      Object.entries(schema).filter(
        ([keyword, value]) => keyword in other || !isTupleBound(keyword, value, old.length),
      ),
    );
  return [align(before, after), align(after, before)];
}

function isTupleBound(keyword: string, value: unknown, length: number): boolean {
  if (keyword === 'items') return value === false;
  if (keyword === 'minItems') return typeof value === 'number' && value <= length;
  return keyword === 'maxItems' && value === length;
}
