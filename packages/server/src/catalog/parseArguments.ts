import type { Environment } from '../environment.ts';
import { isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';
import { freezeJson } from '../occurrence/payload.ts';
import type { Filter } from '../subscription/filterIndex.ts';
import { isJsonValue } from '../subscription/jsonValues.ts';
import type { Arguments } from '../subscription/subscription.ts';
import { withTimeLimit } from '../timeLimit.ts';
import type { CompiledType } from './eventType.ts';

/**
 * Arguments as the author's schema completes them, unchangeable. It may be asynchronous, and gets as long as any other function
 * of the author's. Throws a SchemaViolation for what it refuses, what author code within it throws, and a `TypeError` where it
 * made something of an argument that the declared filter cannot compare.
 */
export function parseArguments(
  { clock, limits }: Pick<Environment, 'clock' | 'limits'>,
  name: string,
  { input, rules }: CompiledType,
  args: Arguments,
): MaybePromise<Arguments> {
  const usable = (parsed: Arguments): Arguments => {
    assertComparable(name, rules.filter, parsed);
    return freezeJson(parsed);
  };
  const parsed = input.parse(args);
  if (!isPromise(parsed)) return usable(parsed);
  return withTimeLimit(clock, limits.hookMs, `the input schema of ${name}`, Promise.resolve(parsed).then(usable));
}

/** Such a subscription would get nothing, for ever and without a word. */
function assertComparable(name: string, filter: Filter, args: Arguments): void {
  for (const argument in filter) {
    const value = args[argument];
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (values.every(isJsonValue)) continue;
    throw new TypeError(
      `the input schema of ${name} makes something of ${argument} that is no JSON, so the filter cannot compare it with payloads; ` +
        'leave it as JSON, or compare it in match',
    );
  }
}
