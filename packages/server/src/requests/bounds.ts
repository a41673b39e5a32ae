import { invalidParams } from '@mcp-events/protocol';
import { MAX_CURSOR_LENGTH } from '../feed/feed.ts';
import type { CallerInfo } from '../context.ts';

/** Of what a client calls itself, its name and its version each. */
const MAX_CLIENT_INFO_LENGTH = 256;

/** Kept with a stream, and written with each of its messages. */
const MAX_REQUEST_ID_LENGTH = 256;

/** What no server ever hands out as a cursor. */
const UNUSABLE_CURSOR = '';

/**
 * A cursor as it may be kept. One that is longer than any this server hands out is unusable like any other that is not its
 * own: the feed starts anew and says so (CUR-12).
 */
export function boundedCursor(cursor: string | null): string | null {
  return cursor !== null && cursor.length > MAX_CURSOR_LENGTH ? UNUSABLE_CURSOR : cursor;
}

/** What is kept of a client's own account of itself: nobody may fill the memory with it. */
export function boundedClientInfo(info: unknown): CallerInfo['clientInfo'] {
  if (typeof info !== 'object' || info === null) return undefined;
  const { name, version } = info as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string' || typeof version !== 'string') return undefined;
  return Object.freeze({
    name: name.slice(0, MAX_CLIENT_INFO_LENGTH),
    version: version.slice(0, MAX_CLIENT_INFO_LENGTH),
  });
}

/** Throws InvalidParams for an id that is too long to be written with each message of a stream. */
export function assertStreamRequestId(id: string | number): void {
  if (typeof id === 'number' || id.length <= MAX_REQUEST_ID_LENGTH) return;
  throw invalidParams(
    `the id of an events/stream request may have ${MAX_REQUEST_ID_LENGTH} characters, as it is sent with each event; this one has ${id.length}`,
  );
}
