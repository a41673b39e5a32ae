import { MAX_CURSOR_LENGTH } from './feed.ts';

/**
 * A cursor of a check feed: the author's own cursor, and how many of the events after it were delivered already. The
 * count is needed where a check returned more than fits a page: its rest must not be lost, and the author gave no
 * cursor in between.
 */
export interface CheckCursor {
  readonly upstream: string;
  readonly skip: number;
}

/** Longest cursor of an author: with the count before it, it is still one that is taken back. */
export const MAX_UPSTREAM_CURSOR_LENGTH: number = MAX_CURSOR_LENGTH - 'c999999999.'.length;

const FORM = /^c(0|[1-9]\d{0,8})\.([\s\S]*)$/;

export function encodeCheckCursor({ upstream, skip }: CheckCursor): string {
  return `c${skip}.${upstream}`;
}

/** `undefined` for anything this server never handed out in that form. */
export function decodeCheckCursor(cursor: string): CheckCursor | undefined {
  const match = FORM.exec(cursor);
  if (match === null) return undefined;
  return { skip: Number(match[1]), upstream: match[2] ?? '' };
}
