/** A step that is left to do: a piece of text, or a value to be written. */
type Step = string | { readonly value: unknown };

/**
 * `JSON.stringify` for what `JSON.parse` made, however deep it nests. The parser takes what the serialiser then runs out of
 * stack for, and one such event must neither be lost nor stop the others.
 */
export function toJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return deepJson(value);
  }
}

function deepJson(value: unknown): string {
  const text: string[] = [];
  // The next step is the last one.
  const steps: Step[] = [{ value }];
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    if (typeof step === 'string') text.push(step);
    else if (Array.isArray(step.value)) steps.push(...listSteps(step.value).toReversed());
    else if (typeof step.value === 'object' && step.value !== null) steps.push(...memberSteps(step.value).toReversed());
    else text.push(JSON.stringify(step.value) ?? 'null');
  }
  return text.join('');
}

function listSteps(list: readonly unknown[]): Step[] {
  return ['[', ...list.flatMap((value, at) => (at === 0 ? [{ value }] : [',', { value }])), ']'];
}

function memberSteps(members: object): Step[] {
  const present = Object.entries(members).filter(([, value]) => value !== undefined);
  const steps = present.flatMap(([key, value], at) => [`${at === 0 ? '' : ','}${JSON.stringify(key)}:`, { value }]);
  return ['{', ...steps, '}'];
}
