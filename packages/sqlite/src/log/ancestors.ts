import type { AncestorEpoch } from '@mcp-events/server';

/** What is stored of the epochs a log was restored from. Without them cursors of theirs are told a gap, so damage is none. */
export function ancestorsOf(stored: string | null): AncestorEpoch[] {
  if (stored === null) return [];
  try {
    const parsed: unknown = JSON.parse(stored);
    return Array.isArray(parsed) ? parsed.filter(isAncestor) : [];
  } catch {
    return [];
  }
}

function isAncestor(value: unknown): value is AncestorEpoch {
  const { epoch, head } = (value ?? {}) as Partial<Record<keyof AncestorEpoch, unknown>>;
  return typeof epoch === 'string' && epoch !== '' && Number.isSafeInteger(head);
}
