import { statSync } from 'node:fs';
import type { Clock } from '@mcp-events/server';
import { storageError } from './storageError.ts';

interface Known {
  readonly path: string;
  readonly dev: number;
  readonly ino: number;
}

/**
 * How long a look at the files holds for commits, where only somebody who removes or replaces them on purpose can take
 * them away. What is acknowledged so shortly after shares the fate of what was acknowledged so shortly before: it is
 * gone with the file, or still in it where the file was moved. A look costs as much as a tenth of a small transaction.
 */
export const LOOK_INTERVAL_MS = 10;

export interface FileIdentityOptions {
  readonly file: string;
  /** The files as they are now; each must exist. */
  readonly paths: readonly string[];
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** How long a look holds for commits; 0 where the files can go without anybody's intention. */
  readonly lookIntervalMs: number;
}

/**
 * The files of a storage in use, known by what they are and not by their names. What is written after one of them was
 * removed, moved or replaced goes where nobody finds it again, and the system reports no error.
 */
export class FileIdentity {
  readonly #file: string;
  readonly #known: readonly Known[];
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #lookIntervalMs: number;
  #lookedAtMs = -Infinity;

  constructor({ file, paths, clock, lookIntervalMs }: FileIdentityOptions) {
    this.#file = file;
    this.#clock = clock;
    this.#lookIntervalMs = lookIntervalMs;
    this.#known = paths.map((path) => {
      const { dev, ino } = statSync(path);
      return { path, dev, ino };
    });
  }

  /** After a commit: as `assertUnchanged`, unless the last look still holds. */
  assertUnchangedLately(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lookedAtMs < this.#lookIntervalMs) return;
    this.assertUnchanged();
    // Only now: a look that failed holds for nobody.
    this.#lookedAtMs = nowMs;
  }

  /** Throws a StorageError `replaced` when one of them is not in its place. Some microseconds. */
  assertUnchanged(): void {
    for (const { path, dev, ino } of this.#known) {
      const found = statSync(path, { throwIfNoEntry: false });
      if (found === undefined) throw storageError('replaced', this.#file, `${path} is gone`);
      if (found.ino !== ino || found.dev !== dev) {
        throw storageError('replaced', this.#file, `${path} is another file now`);
      }
    }
  }
}
