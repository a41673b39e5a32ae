import type { JsonSchema } from '../schemas/json.ts';

const allTypes = ['null', 'boolean', 'object', 'array', 'number', 'string'];

/** The JSON types a schema allows, as far as `type`, `enum` and `const` tell. `number` includes `integer`. */
export function allowedTypes(schema: JsonSchema): string[] {
  const { type } = schema;
  if (typeof type === 'string') return [type];
  if (Array.isArray(type)) return type.map(String);
  const values = allowedValues(schema);
  return values ? [...new Set(values.map(typeOf))] : allTypes;
}

/** The values a schema is limited to, or `undefined` if it names none. */
export function allowedValues(schema: JsonSchema): unknown[] | undefined {
  if (Object.hasOwn(schema, 'const')) return [schema['const']];
  return Array.isArray(schema['enum']) ? schema['enum'] : undefined;
}

/** Whether a list of types covers one more; an integer is a number. */
export function includesType(types: readonly string[], type: string): boolean {
  return types.includes(type) || (type === 'integer' && types.includes('number'));
}

/** Whether a constant is of a type that its schema allows; otherwise it can never occur. */
export function hasAllowedType(schema: JsonSchema, value: unknown): boolean {
  const types = allowedTypes(schema);
  return types.includes(typeOf(value)) || (Number.isInteger(value) && types.includes('integer'));
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
