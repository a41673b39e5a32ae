import { isJsonObject } from '@mcp-events/protocol';
import type { JsonSchema } from '@mcp-events/protocol';

/** Keywords that say roughly what a schema library means. */
const approximations: ReadonlySet<string> = new Set(['pattern', 'format', 'minLength', 'maxLength', 'multipleOf']);

/** Keywords whose members are names of the author's, with a schema each. */
const schemasByName: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  'dependentSchemas',
  '$defs',
  'definitions',
]);

/** Values, in which nothing is a schema. */
const values: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples', 'required']);

/** References followed, and schemas within schemas; deeper ones count as allowing everything. */
const MAX_DEPTH = 64;

/** The schema without the keywords that a library's own check is more exact about. */
export function withoutApproximations(schema: JsonSchema): JsonSchema {
  return strip(schema) as JsonSchema;
}

function strip(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strip);
  if (!isJsonObject(schema)) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([keyword]) => !approximations.has(keyword))
      .map(([keyword, value]) => {
        if (values.has(keyword)) return [keyword, value];
        if (!schemasByName.has(keyword) || !isJsonObject(value)) return [keyword, strip(value)];
        return [keyword, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, strip(one)]))];
      }),
  );
}

/** Whether an object may satisfy the schema, as far as types and constants tell. */
export function allowsObjects(root: JsonSchema, schema: unknown, depth = 0): boolean {
  if (schema === false) return false;
  if (!isJsonObject(schema) || depth > MAX_DEPTH) return true;
  const { type, allOf, $ref } = schema;
  if (type !== undefined && type !== 'object' && !(Array.isArray(type) && type.includes('object'))) return false;
  if (Object.hasOwn(schema, 'const') && !isJsonObject(schema['const'])) return false;
  if (Array.isArray(schema['enum']) && !schema['enum'].some(isJsonObject)) return false;
  const allows = (part: unknown): boolean => allowsObjects(root, part, depth + 1);
  for (const keyword of ['anyOf', 'oneOf']) {
    const branches = schema[keyword];
    if (Array.isArray(branches) && !branches.some(allows)) return false;
  }
  if (Array.isArray(allOf) && !allOf.every(allows)) return false;
  const name = typeof $ref === 'string' ? /^#\/(\$defs|definitions)\/([^/~%]+)$/.exec($ref) : null;
  const definitions = name === null ? undefined : root[name[1] as string];
  return name === null || !isJsonObject(definitions) || allows(definitions[name[2] as string]);
}
