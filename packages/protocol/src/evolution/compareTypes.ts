import type { JsonSchema } from '../schemas/json.ts';
import type { SchemaChange } from './change.ts';
import { additive, breaking } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { joinPath, jsonText } from './json.ts';
import { allowedTypes, allowedValues, includesType } from './types.ts';

/**
 * Compares `type`, `enum` and `const`. Neither types nor values may go away in either role (LIST-06). More types are
 * welcome in arguments, but to the consumer of a payload they are a retyped field; more values of the same types are
 * growth in both.
 */
export function compareTypes(
  comparison: Comparison,
  path: string,
  before: JsonSchema,
  after: JsonSchema,
): SchemaChange[] {
  return [...compareTypeSets(comparison, path, before, after), ...compareValues(comparison, path, before, after)];
}

function compareTypeSets(comparison: Comparison, path: string, before: JsonSchema, after: JsonSchema): SchemaChange[] {
  const beforeTypes = typesAt(path, before);
  const afterTypes = typesAt(path, after);
  const changes: SchemaChange[] = [];
  const words = `the type changed from ${beforeTypes.join(' or ')} to ${afterTypes.join(' or ')}`;
  if (beforeTypes.some((type) => !includesType(afterTypes, type))) changes.push(breaking('typeNarrowed', path, words));
  if (afterTypes.some((type) => !includesType(beforeTypes, type))) {
    changes.push(comparison.loosened('typeWidened', path, words));
  }
  return changes;
}

/** Arguments and payloads are objects, whether or not their schema says so. */
function typesAt(path: string, schema: JsonSchema): string[] {
  const types = allowedTypes(schema);
  return path === '' ? types.filter((type) => type === 'object') : types;
}

function compareValues(comparison: Comparison, path: string, before: JsonSchema, after: JsonSchema): SchemaChange[] {
  const beforeValues = allowedValues(before)?.map(jsonText);
  const afterValues = allowedValues(after)?.map(jsonText);
  const place = joinPath(path, 'enum');
  if (!beforeValues && !afterValues) return [];
  if (!beforeValues) return [breaking('valuesRemoved', place, 'only the listed values are allowed now')];
  if (!afterValues) {
    // Without the list nothing holds values to what the consumer was told; a longer list still does.
    return [comparison.loosened('valuesAdded', place, 'values are no longer limited to a list')];
  }
  const removed = beforeValues.filter((value) => !afterValues.includes(value));
  const added = afterValues.filter((value) => !beforeValues.includes(value));
  const changes: SchemaChange[] = [];
  if (removed.length > 0) changes.push(breaking('valuesRemoved', place, `values were removed: ${removed.join(', ')}`));
  if (added.length > 0) changes.push(additive('valuesAdded', place, `values were added: ${added.join(', ')}`));
  return changes;
}
