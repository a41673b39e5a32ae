/** Never part of what a schema accepts. Definitions are compared where they are used. */
export const ignoredKeywords: ReadonlySet<string> = new Set([
  'title',
  'description',
  'default',
  'examples',
  '$comment',
  'deprecated',
  'readOnly',
  'writeOnly',
  '$defs',
  'definitions',
  '$anchor',
  '$id',
  // Of older drafts, and written by some libraries for their own use.
  'id',
]);

/** A larger number allows less; `absent` is what leaving the keyword out means. */
export const lowerBounds: ReadonlyMap<string, number> = new Map([
  ['minimum', -Infinity],
  ['exclusiveMinimum', -Infinity],
  ['minLength', 0],
  ['minItems', 0],
  ['minProperties', 0],
]);

/** A smaller number allows less; leaving the keyword out means no bound. */
export const upperBounds: ReadonlySet<string> = new Set([
  'maximum',
  'exclusiveMaximum',
  'maxLength',
  'maxItems',
  'maxProperties',
]);

/** Allow less by being there; two different values cannot be ranked. */
export const restrictions: ReadonlySet<string> = new Set([
  'pattern',
  'format',
  'multipleOf',
  'uniqueItems',
  'contentEncoding',
  'contentMediaType',
]);

/** Hold one subschema whose effect depends on others, so only equivalent ones count as unchanged. */
export const exactSubschemas: ReadonlySet<string> = new Set([
  'not',
  'if',
  'then',
  'else',
  'contains',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
  'contentSchema',
]);

/** The same for keywords that hold subschemas by name. */
export const exactSubschemaMaps: ReadonlySet<string> = new Set(['patternProperties', 'dependentSchemas']);

/** Compared by code of their own. */
export const structuralKeywords: ReadonlySet<string> = new Set([
  'type',
  'enum',
  'const',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'prefixItems',
  'anyOf',
  'oneOf',
  'allOf',
]);

/** The dialect a schema is in when it names none (LIST-05). */
export const DEFAULT_SCHEMA_DIALECT = 'https://json-schema.org/draft/2020-12/schema';
