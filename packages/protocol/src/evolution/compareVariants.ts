import type { SchemaChange } from './change.ts';
import { additive, breaking } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { joinPath } from './json.ts';
import { areDisjoint } from './variants.ts';
import type { Variants } from './variants.ts';

/**
 * Compares two choices, whatever the order of their branches. Every old branch needs a new one that it may turn into;
 * in a payload every new branch must also come from an old one, as a consumer knows no others. A schema without a
 * choice is one that allows everything.
 */
export function compareVariants(
  comparison: Comparison,
  path: string,
  before: Variants,
  after: Variants,
): SchemaChange[] {
  const oldBranches = before.branches ?? [true];
  const newBranches = after.branches ?? [true];
  const compare = (old: number, now: number): SchemaChange[] =>
    comparison.compare(joinPath(path, after.keyword, now), oldBranches[old], newBranches[now]);
  const mayBecome = (old: number, now: number): boolean => !compare(old, now).some((change) => change.breaking);

  if (needsExactlyOne(comparison.beforeRoot, before) || needsExactlyOne(comparison.afterRoot, after)) {
    // A value that a grown or new branch accepts as well would no longer match exactly one.
    const isSame =
      oldBranches.length === newBranches.length && oldBranches.every((_, index) => compare(index, index).length === 0);
    return isSame
      ? []
      : [breaking('keywordChanged', joinPath(path, 'oneOf'), 'variants that can overlap were changed')];
  }

  const changes: SchemaChange[] = [];
  const successors = new Set<number>();
  for (const old of oldBranches.keys()) {
    const inPlace = old < newBranches.length;
    const successor = inPlace && mayBecome(old, old) ? old : [...newBranches.keys()].find((now) => mayBecome(old, now));
    if (successor !== undefined) {
      successors.add(successor);
      changes.push(...compare(old, successor));
    } else if (oldBranches.length === newBranches.length) {
      // Most likely the same branch, edited: saying what was edited helps more than that one went and one came.
      successors.add(old);
      changes.push(...compare(old, old));
    } else {
      changes.push(breaking('variantRemoved', joinPath(path, before.keyword, old), 'a variant was removed or changed'));
    }
  }
  for (const now of newBranches.keys()) {
    if (successors.has(now)) continue;
    const isKnown = comparison.role === 'input' || [...oldBranches.keys()].some((old) => mayBecome(old, now));
    const report = isKnown ? additive : breaking;
    changes.push(report('variantAdded', joinPath(path, after.keyword, now), 'a variant was added'));
  }
  return changes;
}

function needsExactlyOne(root: unknown, { keyword, branches }: Variants): boolean {
  return keyword === 'oneOf' && branches !== undefined && !areDisjoint(root, branches);
}
