import { readLogCursor } from '../history/positions.ts';
import type { ReadCursor } from '../history/positions.ts';

/** Of a checked type: events passed since an upstream position, and that position. */
const CHECK_CURSOR = /^c(\d+)\.(\d+)$/;

/** Reads the cursors of logs, and of the checked type, whose upstream counts its events. */
export const readCursor: ReadCursor = (cursor) => {
  const match = CHECK_CURSOR.exec(cursor);
  return match === null ? readLogCursor(cursor) : { epoch: 'upstream', position: Number(match[1]) + Number(match[2]) };
};
