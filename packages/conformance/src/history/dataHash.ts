import { createHash } from 'node:crypto';

/** What stands for an event's data in a history: the same for the same data, whatever the order of its members. */
export function dataHash(data: unknown): string {
  return createHash('sha1')
    .update(JSON.stringify(sorted(data)))
    .digest('hex')
    .slice(0, 12);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, member]) => [name, sorted(member)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
