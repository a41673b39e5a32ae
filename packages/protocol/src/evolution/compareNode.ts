import type { JsonSchema } from '../schemas/json.ts';
import type { SchemaChange } from './change.ts';
import { compareBounds } from './compareBounds.ts';
import { compareItems } from './compareItems.ts';
import { compareOtherKeywords } from './compareOtherKeywords.ts';
import { compareProperties } from './compareProperties.ts';
import { compareTypes } from './compareTypes.ts';
import { compareVariants } from './compareVariants.ts';
import { additive, breaking, notComparable } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { joinPath } from './json.ts';
import { ignoredKeywords } from './keywords.ts';
import { asBranches, normalized } from './normalize.ts';
import { resolve } from './resolve.ts';
import { partsOf, readVariants } from './variants.ts';
import type { Variants } from './variants.ts';

/** Compares two subschemas as wholes: references, choices, and then their keywords. */
export function compareNode(comparison: Comparison, path: string, before: unknown, after: unknown): SchemaChange[] {
  const old = resolve(comparison.beforeRoot, before);
  const now = resolve(comparison.afterRoot, after);
  if (old === undefined || now === undefined) {
    return [notComparable(path, 'a reference leads out of the schema, in a circle or nowhere')];
  }
  // A schema that accepts nothing stands for a part that must not be there.
  if (old === false && now === false) return [];
  if (now === false) return [breaking('constraintTightened', path, 'no value is allowed any more')];
  if (old === false) return [additive('constraintLoosened', path, 'a value is allowed now')];

  const [oldForm, newForm] = normalized(comparison.beforeRoot, old, comparison.afterRoot, now);
  const oldVariants = readVariants(comparison.beforeRoot, oldForm);
  const newVariants = readVariants(comparison.afterRoot, newForm);
  if (!oldVariants.branches && !newVariants.branches) {
    return compareKeywords(comparison, path, oldVariants.rest, newVariants.rest);
  }
  // One side offers a choice and says nothing else: the other side is a choice as well, of one if need be.
  if (!oldVariants.branches && isBare(newVariants)) {
    return compareVariants(comparison, path, asVariants(oldForm), newVariants);
  }
  if (!newVariants.branches && isBare(oldVariants)) {
    return compareVariants(comparison, path, oldVariants, asVariants(newForm));
  }
  return [
    ...compareKeywords(comparison, path, oldVariants.rest, newVariants.rest),
    ...compareVariants(comparison, path, oldVariants, newVariants),
  ];
}

function compareKeywords(comparison: Comparison, path: string, before: JsonSchema, after: JsonSchema): SchemaChange[] {
  return [
    ...compareTypes(comparison, path, before, after),
    ...compareBounds(comparison, path, before, after),
    ...compareProperties(comparison, path, before, after),
    ...compareItems(comparison, path, before, after),
    ...compareAllOf(comparison, path, before, after),
    ...compareOtherKeywords(comparison, path, before, after),
  ];
}

/** All parts apply, so each may change as a whole schema may; a part that is not there allows everything. */
function compareAllOf(comparison: Comparison, path: string, before: JsonSchema, after: JsonSchema): SchemaChange[] {
  const [oldParts, newParts] = [partsOf(before), partsOf(after)];
  const changes: SchemaChange[] = [];
  for (let index = 0; index < Math.max(oldParts.length, newParts.length); index++) {
    changes.push(
      ...comparison.compare(joinPath(path, 'allOf', index), oldParts[index] ?? true, newParts[index] ?? true),
    );
  }
  return changes;
}

function isBare(variants: Variants): boolean {
  return Object.keys(variants.rest).every((keyword) => ignoredKeywords.has(keyword));
}

function asVariants(schema: JsonSchema): Variants {
  return { keyword: 'anyOf', branches: asBranches(schema) ?? [schema], rest: {} };
}
