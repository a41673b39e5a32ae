import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const SIZE_MIB = 64;

const CHUNK_BYTES = 64 * 1024;

/** A folder on a small file system of its own, where such a thing can be mounted; else a plain one that never fills. */
export class Disk {
  readonly folder: string;
  /** Why it cannot be filled. */
  readonly refusal: string | undefined;
  readonly #ballast: string;

  constructor(folder: string) {
    this.folder = folder;
    this.#ballast = join(folder, 'ballast');
    mkdirSync(folder, { recursive: true });
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MIB}m`, 'tmpfs', folder], {
      encoding: 'utf8',
    });
    if (mounted.status !== 0) this.refusal = mounted.error?.message ?? mounted.stderr.trim();
  }

  /** To the last byte. Whoever writes at the same time may get some of it. */
  fill(): void {
    if (this.refusal !== undefined) return;
    const file = openSync(this.#ballast, 'a');
    try {
      for (let size = CHUNK_BYTES; size >= 1;) {
        try {
          writeSync(file, Buffer.alloc(size));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          size = Math.floor(size / 2);
        }
      }
    } finally {
      closeSync(file);
    }
  }

  empty(): void {
    rmSync(this.#ballast, { force: true });
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  /** Its content is gone afterwards, if it was mounted. */
  unmount(): void {
    if (this.refusal === undefined) spawnSync('umount', ['--lazy', this.folder]);
  }
}
