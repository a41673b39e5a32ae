import { compareNode } from './evolution/compareNode.ts';
import type { SchemaChange, SchemaRole } from './evolution/change.ts';
import { Comparison, notComparable } from './evolution/comparison.ts';
import { isShallow, jsonText, MAX_SCHEMA_DEPTH } from './evolution/json.ts';
import type { JsonSchema } from './schemas/json.ts';

/**
 * Lists what changed between two versions of one schema of an event type, and which of it breaks the promise that
 * schemas only grow while a name lives (LIST-06, LIST-07). A breaking change ships under a new name (LIST-08) or ends
 * the subscriptions (TERM-03); changes that are not breaking end nothing (TERM-04).
 *
 * In an `input` schema a change breaks if arguments that were accepted could be refused, or if a field is removed or
 * retyped. In a `payload` schema it breaks if a consumer of the old one could be surprised: a field removed, retyped,
 * no longer always there or less constrained; also if allowed values or variants are dropped. New optional fields,
 * new enum values of the same type and, in a payload, stricter constraints are additive.
 *
 * The answer errs on the breaking side: keywords it does not know, references that leave the schema, and schemas too
 * deep or too large to compare all count as breaking when they differ. Annotations never do.
 *
 * @param role which of the two schemas of an event type is compared; the root describes an object in both
 * @returns empty if the two mean the same
 */
export function compareSchemas(role: SchemaRole, before: JsonSchema, after: JsonSchema): SchemaChange[] {
  if (before === after) return [];
  if (!isShallow(before) || !isShallow(after)) {
    return [notComparable('', `the schema is nested deeper than ${MAX_SCHEMA_DEPTH} levels`)];
  }
  if (jsonText(before) === jsonText(after)) return [];
  return new Comparison(role, before, after, compareNode).compare('', before, after);
}

/** Whether any of the changes is breaking. */
export function isBreaking(changes: readonly SchemaChange[]): boolean {
  return changes.some((change) => change.breaking);
}
