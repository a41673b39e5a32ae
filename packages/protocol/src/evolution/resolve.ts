import { isJsonObject } from '../schemas/json.ts';
import type { JsonSchema } from '../schemas/json.ts';
import { pointerSteps } from './json.ts';
import { ignoredKeywords } from './keywords.ts';

/** A subschema without `$ref` at its top; `undefined` if it cannot be told what it means. */
export type ResolvedSchema = JsonSchema | false | undefined;

/** References followed in a row before they count as a circle. */
const MAX_HOPS = 32;

/** Keywords whose meaning depends on others beside them. */
const neighbourKeywords: ReadonlySet<string> = new Set([
  'additionalProperties',
  'items',
  'prefixItems',
  'contains',
  'minContains',
  'maxContains',
  'if',
  'then',
  'else',
]);

/**
 * Follows the references at the top of a subschema, within its own document only: nothing is ever fetched (LIST-05).
 * `true` becomes the equivalent `{}`.
 */
export function resolve(root: unknown, node: unknown): ResolvedSchema {
  let current = node;
  for (let hop = 0; hop < MAX_HOPS; hop++) {
    if (current === true) return {};
    if (current === false) return false;
    if (!isJsonObject(current) || changesReferences(root, current)) return undefined;
    if (current['$ref'] === undefined) return current;
    const target = lookUp(root, current['$ref']);
    const siblings = meaningfulSiblings(current);
    if (Object.keys(siblings).length === 0) current = target;
    else if (isJsonObject(target) && areIndependent(target, siblings)) current = { ...target, ...siblings };
    else return withReferenceInAllOf(current['$ref'], siblings);
  }
  return undefined;
}

/** Keywords that let references mean something else than a place in this document. */
function changesReferences(root: unknown, node: JsonSchema): boolean {
  return '$dynamicRef' in node || '$recursiveRef' in node || ('$id' in node && node !== root);
}

function lookUp(root: unknown, reference: unknown): unknown {
  if (typeof reference !== 'string' || !reference.startsWith('#')) return undefined;
  let current: unknown = root;
  for (const step of pointerSteps(reference.slice(1)) ?? [undefined]) {
    if (step === undefined || typeof current !== 'object' || current === null) return undefined;
    if (!Object.hasOwn(current, step)) return undefined;
    current = (current as Record<string, unknown>)[step];
  }
  return current;
}

function meaningfulSiblings(node: JsonSchema): JsonSchema {
  return Object.fromEntries(
    Object.entries(node).filter(([keyword]) => keyword !== '$ref' && !ignoredKeywords.has(keyword)),
  );
}

/** Whether two schemas that both apply can be written as one, which compares better than an `allOf`. */
function areIndependent(target: JsonSchema, siblings: JsonSchema): boolean {
  const keywords = [
    ...Object.keys(target).filter((keyword) => !ignoredKeywords.has(keyword)),
    ...Object.keys(siblings),
  ];
  return new Set(keywords).size === keywords.length && !keywords.some((keyword) => neighbourKeywords.has(keyword));
}

function withReferenceInAllOf(reference: unknown, siblings: JsonSchema): JsonSchema {
  const others = Array.isArray(siblings['allOf']) ? siblings['allOf'] : [];
  return { ...siblings, allOf: [{ $ref: reference }, ...others] };
}
