import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** Where files cost no flushes of a real disk, if there is such a place. */
export const SQLITE_ROOM: string = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Files of SQLite, beside which it keeps what is not in them yet. */
export const SQLITE_PARTS = ['', '-wal'] as const;
