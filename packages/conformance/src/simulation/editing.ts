/** So deep author code goes in what it changes. */
const MOST_DEPTH = 5;

/**
 * Changes everything in these values that can be changed, as careless code does: members get another value, one is added,
 * one is removed. What is frozen stays, and nothing is thrown.
 */
export function editAll(values: readonly unknown[]): void {
  const seen = new Set<object>();
  for (const value of values) edit(value, seen, MOST_DEPTH);
}

function edit(value: unknown, seen: Set<object>, depth: number): void {
  if (typeof value !== 'object' || value === null || seen.has(value) || depth === 0) return;
  seen.add(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  // Objects of the platform, such as signals and requests, are not data.
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return;
  for (const [name, member] of Object.entries(value)) {
    edit(member, seen, depth - 1);
    if (typeof member !== 'object') Reflect.set(value, name, typeof member === 'string' ? 'edited' : null);
  }
  if (Array.isArray(value)) {
    // `push` and `length` would throw where it is frozen.
    if (Object.isExtensible(value)) value.push('edited');
    return;
  }
  const [first] = Object.keys(value);
  if (first !== undefined) Reflect.deleteProperty(value, first);
  Reflect.set(value, 'edited', true);
}
