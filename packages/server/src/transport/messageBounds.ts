/** Deepest nesting of a message: twice what `arguments` may have. */
export const MAX_MESSAGE_DEPTH = 128;

/**
 * Most values in a message. Schema validators, the SDK's before all, need microseconds for each value and level, so it is
 * these and not the bytes that decide how long a request holds everybody.
 */
export const MAX_MESSAGE_VALUES = 16_384;

/** Whether a JSON value is within both bounds. Works without recursion and stops at the bounds. */
export function isWithinBounds(message: unknown): boolean {
  const pending: { readonly value: unknown; readonly depth: number }[] = [{ value: message, depth: 0 }];
  let values = 1;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth === MAX_MESSAGE_DEPTH) return false;
    const members: unknown[] = Array.isArray(value) ? value : Object.values(value);
    values += members.length;
    if (values > MAX_MESSAGE_VALUES) return false;
    for (const member of members) pending.push({ value: member, depth: depth + 1 });
  }
  return true;
}
