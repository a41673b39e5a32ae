import { readLogCursor } from '../history/positions.ts';
import type { ReadCursor } from '../history/positions.ts';

/** Cursors of checked sources count what was skipped after the upstream's own. */
const CHECK_CURSOR = /^c(\d+)\.(\d+)$/;

export const readCursor: ReadCursor = (cursor) => {
  const match = CHECK_CURSOR.exec(cursor);
  return match === null ? readLogCursor(cursor) : { epoch: 'upstream', position: Number(match[1]) + Number(match[2]) };
};
