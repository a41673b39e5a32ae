import { watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@mcp-events/server';
import { compareRefs, readRefs } from '../git/refs.ts';
import type { RefChange, Refs } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';

/** Tells when a folder changed; `onError` when it cannot be watched (any more). */
export type WatchFolder = (
  path: string,
  onChange: (fileName: string | null) => void,
  onError: () => void,
) => { close(): void };

export interface RefWatcherOptions {
  repository: Repository;
  clock: Clock;
  /** Awaited before the next look, so changes arrive one look after the other. */
  onChanges: (changes: RefChange[]) => void | Promise<void>;
  /** A look failed; the next one follows. */
  onFailure: (error: unknown) => void;
  /** Default: `fs.watch`. */
  watchFolder?: WatchFolder;
}

/** Git writes a lock file and renames it: this much later one look sees the result instead of two seeing halves. */
const SETTLE_MS = 10;

/** The file system may not tell (network mounts, too many watched folders), so refs are also looked at without a cause. */
const LOOK_INTERVAL_MS = 5_000;

/**
 * Notices changes of refs: the file system says when to look, git says what there is. What changes twice between two
 * looks is told once, with its first and last state.
 */
export class RefWatcher {
  readonly #options: RefWatcherOptions;
  readonly #watchFolder: WatchFolder;
  readonly #folders = new Map<string, { close(): void }>();
  #known: Refs = new Map();
  #timer: unknown;
  #looking: Promise<void> | undefined;
  #changedMeanwhile = false;
  #closed = false;

  constructor(options: RefWatcherOptions) {
    this.#options = options;
    this.#watchFolder = options.watchFolder ?? watchWithFs;
  }

  /** Resolves when the refs are known; changes are told from then on. Rejects if they cannot be read. */
  async start(): Promise<void> {
    await this.#watchFolders();
    this.#known = await readRefs(this.#options.repository);
    this.#lookIn(LOOK_INTERVAL_MS);
  }

  /** Resolves when a look under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#options.clock.clearTimeout(this.#timer);
    for (const folder of this.#folders.values()) folder.close();
    await this.#looking;
  }

  #lookIn(delayMs: number): void {
    const { clock } = this.#options;
    clock.clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = clock.setTimeout(() => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
        this.#lookIn(this.#changedMeanwhile ? SETTLE_MS : LOOK_INTERVAL_MS);
      });
    }, delayMs);
  }

  #changed(): void {
    if (this.#looking === undefined) this.#lookIn(SETTLE_MS);
    else this.#changedMeanwhile = true;
  }

  async #look(): Promise<void> {
    this.#changedMeanwhile = false;
    try {
      // Folders first: what happens in a new one after this is told, what happened before is read.
      await this.#watchFolders();
      const refs = await readRefs(this.#options.repository);
      const changes = compareRefs(this.#known, refs);
      this.#known = refs;
      if (changes.length > 0 && !this.#closed) await this.#options.onChanges(changes);
    } catch (error) {
      this.#options.onFailure(error);
    }
  }

  /** Watches each folder below refs by itself: recursive watching is not available everywhere. */
  async #watchFolders(): Promise<void> {
    const { commonDir } = this.#options.repository;
    const top = join(commonDir, 'refs');
    const entries = await readdir(top, { recursive: true, withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
    const wanted = new Set([commonDir, top, ...folders]);
    for (const [path, folder] of this.#folders) {
      if (wanted.has(path)) continue;
      folder.close();
      this.#folders.delete(path);
    }
    for (const path of wanted) {
      if (this.#folders.has(path) || this.#closed) continue;
      const onChange = (fileName: string | null): void => {
        // Beside the refs, git's folder holds much that changes for other reasons.
        if (path !== commonDir || fileName === null || fileName === 'packed-refs') this.#changed();
      };
      const forget = (): void => void this.#folders.delete(path);
      this.#folders.set(path, this.#watchFolder(path, onChange, forget));
    }
  }
}

function watchWithFs(...[path, onChange, onError]: Parameters<WatchFolder>): { close(): void } {
  try {
    // Never what keeps the process alive.
    const watcher = watch(path, { persistent: false }, (_event, fileName) => onChange(fileName));
    return watcher.on('error', onError);
  } catch {
    // Gone already, or no more watches to be had; the regular look remains.
    return { close: () => {} };
  }
}
