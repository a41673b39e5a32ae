import type { JsonSchema } from '../schemas/json.ts';
import type { SchemaChange } from './change.ts';
import { breaking } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { areWordingsOf } from './formats.ts';
import { joinPath, jsonText } from './json.ts';
import { lowerBounds, restrictions, upperBounds } from './keywords.ts';

/** Compares the keywords that limit a value by a number, and those that limit it by being there. */
export function compareBounds(
  comparison: Comparison,
  path: string,
  before: JsonSchema,
  after: JsonSchema,
): SchemaChange[] {
  const changes: SchemaChange[] = [];
  const note = (keyword: string, direction: 'stricter' | 'laxer' | 'other' | 'same'): void => {
    const place = joinPath(path, keyword);
    const words = `${keyword} changed from ${describe(before[keyword])} to ${describe(after[keyword])}`;
    if (direction === 'stricter') changes.push(comparison.tightened('constraintTightened', place, words));
    if (direction === 'laxer') changes.push(comparison.loosened('constraintLoosened', place, words));
    if (direction === 'other') changes.push(breaking('keywordChanged', place, words));
  };
  for (const [keyword, absent] of lowerBounds) note(keyword, rank(before[keyword] ?? absent, after[keyword] ?? absent));
  for (const keyword of upperBounds) note(keyword, rank(after[keyword] ?? Infinity, before[keyword] ?? Infinity));
  const isOneFormat = areWordingsOf(before['format'] ?? after['format'], before['pattern'], after['pattern']);
  for (const keyword of restrictions) {
    if (isOneFormat && (keyword === 'pattern' || isAbsentOnce(keyword, before, after))) continue;
    note(keyword, rankRestriction(before[keyword], after[keyword]));
  }
  return changes;
}

/** The pattern says as much as the format that the other version names beside it. */
function isAbsentOnce(keyword: string, before: JsonSchema, after: JsonSchema): boolean {
  return keyword === 'format' && 'format' in before !== 'format' in after;
}

/** Whether `high` is above `low`: for a lower bound the new number, for an upper bound the old one. */
function rank(low: unknown, high: unknown): 'stricter' | 'laxer' | 'other' | 'same' {
  if (typeof low !== 'number' || typeof high !== 'number') return jsonText(low) === jsonText(high) ? 'same' : 'other';
  if (low === high) return 'same';
  return high > low ? 'stricter' : 'laxer';
}

function rankRestriction(before: unknown, after: unknown): 'stricter' | 'laxer' | 'other' | 'same' {
  // `uniqueItems: false` says nothing.
  const had = before !== undefined && before !== false;
  const has = after !== undefined && after !== false;
  if (had && has) return jsonText(before) === jsonText(after) ? 'same' : 'other';
  if (had === has) return 'same';
  return has ? 'stricter' : 'laxer';
}

function describe(value: unknown): string {
  return value === undefined ? 'none' : jsonText(value);
}
