import type { Environment } from '../environment.ts';
import { isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';
import { freezeJson } from '../occurrence/payload.ts';
import type { Arguments } from '../subscription/subscription.ts';
import { withTimeLimit } from '../timeLimit.ts';
import type { CompiledType } from './eventType.ts';

/**
 * Arguments as the author's schema completes them, unchangeable. It may be asynchronous, and gets as long as any other function
 * of the author's. Throws a SchemaViolation for what it refuses, and what author code within it throws.
 */
export function parseArguments(
  { clock, limits }: Pick<Environment, 'clock' | 'limits'>,
  name: string,
  { input }: CompiledType,
  args: Arguments,
): MaybePromise<Arguments> {
  const parsed = input.parse(args);
  if (!isPromise(parsed)) return freezeJson(parsed);
  return withTimeLimit(clock, limits.hookMs, `the input schema of ${name}`, Promise.resolve(parsed).then(freezeJson));
}
