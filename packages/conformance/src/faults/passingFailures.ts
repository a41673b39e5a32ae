import { isEventsClientError } from '@mcp-events/client';

/** What a disk that is full brings about, and a file that the process before has not let go yet. */
const OF_STORAGE = new Set(['full', 'locked', 'unavailable']);

/** Busy, reading or writing failed, full, cannot be opened. */
const OF_SQLITE = new Set([5, 10, 13, 14]);

/** Whether an error comes of the faults that are injected into disks, and passes with them. */
export function isPassing(error: unknown): boolean {
  const { name, errcode, code } = error as { name?: unknown; errcode?: unknown; code?: unknown };
  if (name === 'StorageError') return OF_STORAGE.has(code as string);
  if (isEventsClientError(error) && error.code === 'STORE_UNAVAILABLE') return true;
  return code === 'ENOSPC' || (typeof errcode === 'number' && OF_SQLITE.has(errcode % 256));
}

export function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
