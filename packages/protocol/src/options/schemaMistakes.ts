import { isPromise } from './wrongValue.ts';

/**
 * What is not a schema but was meant as one, as the end of a sentence that says so; `undefined` for anything else. It would
 * pass for JSON Schema, whose words are free, and fail later with a sentence about something else.
 */
export function schemaMistake(value: unknown): string | undefined {
  if (isPromise(value)) return 'not a promise, which has to be waited for first';
  if (hasStandard(value)) return undefined;
  if (typeof value === 'function') {
    return 'not a function or a class: call it, as in z.object({ id: z.string() }) rather than z.ZodObject';
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const member = Object.entries(value).find(([, each]) => hasStandard(each))?.[0];
  if (member === undefined) return undefined;
  return `not an object with schemas in it, such as in ${JSON.stringify(member.slice(0, 64))}: put z.object() around it, as in z.object({ id: z.string() })`;
}

/** As Standard Schema has it; some libraries make functions that carry it. */
function hasStandard(value: unknown): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard = (value as { '~standard'?: unknown })['~standard'];
  return typeof standard === 'object' && standard !== null;
}
