import { isJsonObject } from '../schemas/json.ts';
import type { JsonSchema } from '../schemas/json.ts';
import type { SchemaChange } from './change.ts';
import { additive, breaking } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { joinPath } from './json.ts';
import { ignoredKeywords } from './keywords.ts';
import { resolve } from './resolve.ts';

/** Compares `properties`, `required` and `additionalProperties`. */
export function compareProperties(
  comparison: Comparison,
  path: string,
  before: JsonSchema,
  after: JsonSchema,
): SchemaChange[] {
  const oldProperties = propertiesOf(before);
  const newProperties = propertiesOf(after);
  const changes: SchemaChange[] = [];
  for (const [name, schema] of oldProperties) {
    const place = joinPath(path, 'properties', name);
    if (newProperties.has(name)) changes.push(...comparison.comparePart(place, schema, newProperties.get(name)));
    else changes.push(breaking('propertyRemoved', place, `property ${JSON.stringify(name)} was removed`));
  }
  for (const [name, schema] of newProperties) {
    if (oldProperties.has(name)) continue;
    const place = joinPath(path, 'properties', name);
    changes.push(additive('propertyAdded', place, `property ${JSON.stringify(name)} was added`));
    // A new property is additive even where unknown ones were accepted or refused: such members were never part of
    // the contract (TERM-04). Only a promise about all further members binds the new one.
    const promise = before['additionalProperties'];
    if (isPromise(comparison.beforeRoot, promise)) changes.push(...comparison.comparePart(place, promise, schema));
  }
  return [
    ...changes,
    ...compareRequired(comparison, path, before, after),
    ...compareAdditional(comparison, path, before, after),
  ];
}

function compareRequired(comparison: Comparison, path: string, before: JsonSchema, after: JsonSchema): SchemaChange[] {
  const place = joinPath(path, 'required');
  const [wasRequired, isRequired] = [requiredOf(before), requiredOf(after)];
  const [oldProperties, newProperties] = [propertiesOf(before), propertiesOf(after)];
  const changes: SchemaChange[] = [];
  for (const name of isRequired) {
    if (wasRequired.has(name)) continue;
    const words = `property ${JSON.stringify(name)} became required`;
    changes.push(comparison.tightened('requiredAdded', place, words));
  }
  for (const name of wasRequired) {
    const wasRemoved = oldProperties.has(name) && !newProperties.has(name);
    if (isRequired.has(name) || wasRemoved) continue;
    const words = `property ${JSON.stringify(name)} is no longer required`;
    changes.push(comparison.loosened('requiredRemoved', place, words));
  }
  return changes;
}

function compareAdditional(
  comparison: Comparison,
  path: string,
  before: JsonSchema,
  after: JsonSchema,
): SchemaChange[] {
  const place = joinPath(path, 'additionalProperties');
  const old = before['additionalProperties'];
  const now = after['additionalProperties'];
  const [wasPromise, isPromised] = [isPromise(comparison.beforeRoot, old), isPromise(comparison.afterRoot, now)];
  if (wasPromise && isPromised) return comparison.comparePart(place, old, now);
  const refused = 'further properties are no longer allowed';
  if (wasPromise && now === false) return [breaking('constraintTightened', place, refused)];
  if (wasPromise) return [comparison.loosened('constraintLoosened', place, 'further properties may be anything now')];
  if (old === false && now === false) return [];
  if (old === false) return [additive('constraintLoosened', place, 'further properties are allowed now')];
  if (now === false) return [comparison.tightened('constraintTightened', place, refused)];
  return isPromised ? [comparison.tightened('constraintTightened', place, 'further properties are limited now')] : [];
}

/** Whether an `additionalProperties` says something about the members it allows. */
function isPromise(root: unknown, additional: unknown): boolean {
  if (typeof additional === 'boolean' || additional === undefined) return false;
  const schema = resolve(root, additional);
  return !schema || Object.keys(schema).some((keyword) => !ignoredKeywords.has(keyword));
}

function propertiesOf(schema: JsonSchema): Map<string, unknown> {
  return new Map(isJsonObject(schema['properties']) ? Object.entries(schema['properties']) : []);
}

function requiredOf(schema: JsonSchema): Set<string> {
  return new Set(Array.isArray(schema['required']) ? schema['required'].map(String) : []);
}
