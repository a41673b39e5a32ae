import { isJsonObject } from '@mcp-events/protocol';
import type { ErrorObject } from 'ajv';

/** A value does not satisfy its schema. The message names members, never values, so nothing secret gets into logs. */
export class SchemaViolation extends Error {
  override readonly name = 'SchemaViolation';
}

/** Violations named in one message; the rest is noise. */
const MAX_NAMED_VIOLATIONS = 5;

/** Names of members, and lists of what is allowed, may come from anybody and be of any length. */
const MAX_QUOTED_LENGTH = 200;

/** What ajv found, in words. */
export function describeErrors(errors: readonly ErrorObject[]): string {
  return errors.slice(0, MAX_NAMED_VIOLATIONS).map(describeError).join('; ');
}

function describeError({ instancePath, message, keyword, params }: ErrorObject): string {
  const place = instancePath === '' ? 'the value' : cut(instancePath.slice(1).replaceAll('/', '.'));
  return `${place} ${message ?? 'is not valid'}${detailOf(keyword, params as Readonly<Record<string, unknown>>)}`;
}

/** What the message alone leaves out. */
function detailOf(keyword: string, params: Readonly<Record<string, unknown>>): string {
  const named = params['additionalProperty'] ?? params['unevaluatedProperty'] ?? params['propertyName'];
  if (typeof named === 'string') return `: ${cut(JSON.stringify(named))}`;
  return keyword === 'enum' ? `: ${cut(JSON.stringify(params['allowedValues']))}` : '';
}

/** What a schema library found, in its words. */
export function describeLibraryIssues(issues: readonly unknown[]): string {
  const messages = issues.slice(0, MAX_NAMED_VIOLATIONS).map((issue) => {
    const { path, message } = issue as { path?: readonly unknown[]; message?: string };
    const place = (path ?? []).map((part) => String(isJsonObject(part) ? part['key'] : part)).join('.');
    return `${place === '' ? 'the value' : cut(place)}: ${cut(message ?? 'is not valid')}`;
  });
  return messages.join('; ');
}

function cut(text: string): string {
  return text.length <= MAX_QUOTED_LENGTH ? text : `${text.slice(0, MAX_QUOTED_LENGTH)}...`;
}
