import canonicalize from 'canonicalize';

/**
 * Deepest nesting that is compared, in levels of JSON and of references followed. Schemas of events have a handful;
 * the recursive comparison must not run out of stack on one that a peer made up.
 */
export const MAX_SCHEMA_DEPTH = 128;

/** Whether a JSON value stays within {@link MAX_SCHEMA_DEPTH}; works without recursion. */
export function isShallow(root: unknown): boolean {
  const pending: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth === MAX_SCHEMA_DEPTH) return false;
    for (const member of Object.values(value)) pending.push({ value: member, depth: depth + 1 });
  }
  return true;
}

/** Text that is equal for equal JSON values, whatever the order of their members. */
export function jsonText(value: unknown): string {
  try {
    return canonicalize(value) ?? '';
  } catch {
    // Canonical JSON has no form for lone surrogates; here differing text only makes the answer more careful.
    return JSON.stringify(value);
  }
}

/** One more step of a JSON Pointer. */
export function joinPath(path: string, ...steps: (string | number)[]): string {
  return steps.reduce<string>((joined, step) => `${joined}/${escapeStep(String(step))}`, path);
}

function escapeStep(step: string): string {
  return step.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** The steps of a JSON Pointer in URI fragment form, or `undefined` if it is none. */
export function pointerSteps(fragment: string): string[] | undefined {
  if (fragment === '') return [];
  if (!fragment.startsWith('/')) return undefined;
  try {
    return fragment
      .slice(1)
      .split('/')
      .map((step) => decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~'));
  } catch {
    return undefined; // a malformed percent escape
  }
}
