import { statSync } from 'node:fs';
import { storageError } from './storageError.ts';

interface Known {
  readonly path: string;
  readonly dev: number;
  readonly ino: number;
}

/**
 * The files of a storage in use, known by what they are and not by their names. What is written after one of them was
 * removed, moved or replaced goes where nobody finds it again, and the system reports no error.
 */
export class FileIdentity {
  readonly #file: string;
  readonly #known: readonly Known[];

  /** @param paths the files as they are now; each must exist */
  constructor(file: string, paths: readonly string[]) {
    this.#file = file;
    this.#known = paths.map((path) => {
      const { dev, ino } = statSync(path);
      return { path, dev, ino };
    });
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
