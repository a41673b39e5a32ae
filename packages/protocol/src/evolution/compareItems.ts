import type { JsonSchema } from '../schemas/json.ts';
import type { SchemaChange } from './change.ts';
import type { Comparison } from './comparison.ts';
import { joinPath } from './json.ts';

/** Compares `prefixItems` place by place, where `items` stands for every place beyond the last. */
export function compareItems(
  comparison: Comparison,
  path: string,
  before: JsonSchema,
  after: JsonSchema,
): SchemaChange[] {
  // Without this, two schemas that say nothing of items would be compared item by item without end.
  if (!describesItems(before) && !describesItems(after)) return [];
  const [oldPlaces, newPlaces] = [prefixOf(before), prefixOf(after)];
  const [oldRest, newRest] = [before['items'] ?? true, after['items'] ?? true];
  const changes: SchemaChange[] = [];
  for (let index = 0; index < Math.max(oldPlaces.length, newPlaces.length); index++) {
    const place = joinPath(path, 'prefixItems', index);
    changes.push(...comparison.comparePart(place, oldPlaces[index] ?? oldRest, newPlaces[index] ?? newRest));
  }
  return [...changes, ...comparison.comparePart(joinPath(path, 'items'), oldRest, newRest)];
}

function describesItems(schema: JsonSchema): boolean {
  return 'items' in schema || 'prefixItems' in schema;
}

function prefixOf(schema: JsonSchema): unknown[] {
  return Array.isArray(schema['prefixItems']) ? schema['prefixItems'] : [];
}
