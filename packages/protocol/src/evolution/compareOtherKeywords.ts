import { isJsonObject } from '../schemas/json.ts';
import type { JsonSchema } from '../schemas/json.ts';
import type { SchemaChange } from './change.ts';
import { breaking } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { joinPath, jsonText } from './json.ts';
import {
  DEFAULT_SCHEMA_DIALECT,
  exactSubschemaMaps,
  exactSubschemas,
  ignoredKeywords,
  lowerBounds,
  restrictions,
  structuralKeywords,
  upperBounds,
} from './keywords.ts';

/**
 * Compares all keywords that are not compared elsewhere, those this code has never heard of included. What a
 * difference means is unknown or depends on more than the keyword itself, so any difference is breaking.
 */
export function compareOtherKeywords(
  comparison: Comparison,
  path: string,
  before: JsonSchema,
  after: JsonSchema,
): SchemaChange[] {
  const keywords = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keywords].filter(isOther).flatMap((keyword) => {
    const place = joinPath(path, keyword);
    return isUnchanged(comparison, place, keyword, before[keyword], after[keyword])
      ? []
      : [breaking('keywordChanged', place, `${JSON.stringify(keyword)} changed`)];
  });
}

function isOther(keyword: string): boolean {
  return !(
    ignoredKeywords.has(keyword) ||
    structuralKeywords.has(keyword) ||
    lowerBounds.has(keyword) ||
    upperBounds.has(keyword) ||
    restrictions.has(keyword)
  );
}

function isUnchanged(comparison: Comparison, path: string, keyword: string, before: unknown, after: unknown): boolean {
  if (keyword === '$schema') return (before ?? DEFAULT_SCHEMA_DIALECT) === (after ?? DEFAULT_SCHEMA_DIALECT);
  if (before === undefined || after === undefined) return false;
  // Through the comparison, not as text: a definition they refer to may have changed.
  if (exactSubschemas.has(keyword)) return comparison.compare(path, before, after).length === 0;
  if (exactSubschemaMaps.has(keyword) && isJsonObject(before) && isJsonObject(after)) {
    const names = Object.keys(before);
    return (
      names.length === Object.keys(after).length &&
      names.every(
        (name) =>
          Object.hasOwn(after, name) &&
          comparison.compare(joinPath(path, name), before[name], after[name]).length === 0,
      )
    );
  }
  const text = jsonText(before);
  // The text may be the same and what it refers to may not.
  return text === jsonText(after) && !text.includes('"$ref"');
}
