import { open, realpath, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** Steps that a disk may refuse for reasons that pass; passed in by tests. */
export interface DiskSteps {
  rename: (from: string, to: string) => Promise<void>;
  wait: (delayMs: number) => Promise<unknown>;
}

const systemSteps: DiskSteps = { rename: (from, to) => rename(from, to), wait };

/** Waits before a rename is tried again, in milliseconds: for a scanner or an indexer that looks at the file just now. */
const RENAME_WAITS_MS = [10, 40, 160];

/** Somebody has the file open, or the folder is being looked at: it passes. */
const PASSING: readonly unknown[] = ['EPERM', 'EACCES', 'EBUSY'];

/** The name belongs to a mount of the single file, as containers make them: nothing can be put in its place. */
const MOUNTED: readonly unknown[] = ['EBUSY', 'EXDEV'];

/** Where the content of a file lies before it takes the place of the one before. */
export function temporaryOf(path: string): string {
  return `${path}.tmp`;
}

/** The file that a path leads to: a symbolic link keeps its place, and what it leads to is replaced. */
export async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return path;
  }
}

/**
 * Replaces a file as a whole: written beside it, flushed, renamed, and the folder flushed, so that after a crash there is the
 * old content or the new. A file that cannot be replaced, because it is mounted by itself, is written in its place after the
 * whole content was flushed beside it, and what is beside it is left there: whoever finds the file torn reads that.
 *
 * @param path of the file or of a link to it; its folder is there
 */
export async function replaceFile(path: string, text: string, steps: DiskSteps = systemSteps): Promise<void> {
  const target = await targetOf(path);
  const temporary = temporaryOf(target);
  await write(temporary, 'w', text);
  if (!(await renamed(temporary, target, steps))) {
    await syncFolder(target);
    await write(target, 'r+', text);
  }
  await syncFolder(target);
}

/**
 * Puts a file in the place of another one.
 *
 * @returns false if nothing can be put there
 * @throws what a disk refuses lastingly
 */
export async function renamed(
  from: string,
  to: string,
  { rename: move, wait: pause }: DiskSteps = systemSteps,
): Promise<boolean> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await move(from, to);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const waitMs = RENAME_WAITS_MS[attempt];
      if (PASSING.includes(code) && waitMs !== undefined) await pause(waitMs);
      else if (MOUNTED.includes(code)) return false;
      else throw error;
    }
  }
}

async function write(path: string, flags: 'w' | 'r+', text: string): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at, bytes.length - at, at)).bytesWritten;
    if (flags === 'r+') await file.truncate(bytes.length);
    await file.sync();
  } finally {
    await file.close();
  }
}

type OpenFolder = (path: string) => Promise<{ sync(): Promise<void>; close(): Promise<void> }>;

/** What folders answer that nobody may read, and file systems that cannot synchronise one. */
const NOT_SYNCHRONISED: readonly (string | undefined)[] = ['EACCES', 'EPERM', 'EINVAL', 'ENOTSUP', 'ENOSYS', 'EISDIR'];

/**
 * Makes a created or renamed file survive a crash of the machine, where the folder can be synchronised. Windows has no such
 * call and needs none.
 */
export async function syncFolder(path: string, openFolder: OpenFolder = (folder) => open(folder, 'r')): Promise<void> {
  if (process.platform === 'win32') return;
  try {
    const folder = await openFolder(dirname(path));
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    // The file is in its place all the same; only a disk that fails is told.
    if (!NOT_SYNCHRONISED.includes((error as NodeJS.ErrnoException).code)) throw error;
  }
}
