import { watch } from 'node:fs';
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@mcp-events/server';
import { compareRefs, readRefs } from '../git/refs.ts';
import type { RefChange } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import { changeId } from './refMemory.ts';
import type { RefMemory, RefState } from './refMemory.ts';

/** Tells when a folder changed; `onError` when it cannot be watched (any more). */
export type WatchFolder = (
  path: string,
  onChange: (fileName: string | null) => void,
  onError: () => void,
) => { close(): void };

/** Everything below a folder; fails with what `fs.readdir` fails with. */
export type ListEntries = (top: string) => Promise<Dirent[]>;

/** A change to tell. It may have been told before, under the same id. */
export interface RefEvent {
  readonly eventId: string;
  readonly data: RefChange;
}

export interface RefWatcherOptions {
  repository: Repository;
  /** What is found by a later watcher on the same memory is told as well, so nothing escapes between two runs. */
  memory: RefMemory;
  clock: Clock;
  /** Awaited before the next look, so changes arrive one look after the other. Told again if it rejects. */
  onChanges: (changes: RefEvent[]) => void | Promise<void>;
  /** A look failed; the next one follows. */
  onFailure: (error: unknown) => void;
  /** Default: `fs.watch`. */
  watchFolder?: WatchFolder;
  /** Lists what is in a folder and below it. Default: that of the file system. */
  listEntries?: ListEntries;
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
  readonly #listEntries: ListEntries;
  readonly #folders = new Map<string, { close(): void }>();
  #state: RefState | undefined;
  #timer: unknown;
  #looking: Promise<void> | undefined;
  #changedMeanwhile = false;
  #closed = false;

  constructor(options: RefWatcherOptions) {
    this.#options = options;
    this.#watchFolder = options.watchFolder ?? watchWithFs;
    this.#listEntries = options.listEntries ?? entriesBelow;
  }

  /**
   * Resolves when the refs are known and everything is told that changed since the memory was last used; the first time
   * there is nothing to tell. Rejects if they cannot be read.
   */
  async start(): Promise<void> {
    this.#state = this.#options.memory.load();
    await this.#look();
    this.#lookAgain();
  }

  /** Resolves when a look under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#options.clock.clearTimeout(this.#timer);
    for (const folder of this.#folders.values()) folder.close();
    await this.#looking;
  }

  #lookAgain(): void {
    this.#lookIn(this.#changedMeanwhile ? SETTLE_MS : LOOK_INTERVAL_MS);
  }

  #lookIn(delayMs: number): void {
    const { clock } = this.#options;
    clock.clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = clock.setTimeout(() => {
      this.#looking ??= this.#look()
        .catch((error: unknown) => this.#options.onFailure(error))
        .finally(() => {
          this.#looking = undefined;
          this.#lookAgain();
        });
    }, delayMs);
  }

  #changed(): void {
    if (this.#looking === undefined) this.#lookIn(SETTLE_MS);
    else this.#changedMeanwhile = true;
  }

  async #look(): Promise<void> {
    const { repository, memory } = this.#options;
    this.#changedMeanwhile = false;
    // Folders first: what happens in a new one after this is told, what happened before is read.
    await this.#watchFolders();
    await this.#tell();
    const refs = await readRefs(repository);
    if (this.#closed) return;
    if (this.#state === undefined) {
      this.#state = await memory.begin(refs);
      return;
    }
    const untold = compareRefs(this.#state.refs, refs);
    if (untold.length === 0) return;
    this.#state = await memory.save({ ...this.#state, look: this.#state.look + 1, refs, untold });
    await this.#tell();
  }

  /**
   * What was found is remembered before it is told, and told before that is remembered: after a crash anywhere between
   * it is told again, under the same names.
   */
  async #tell(): Promise<void> {
    const state = this.#state;
    if (state === undefined || state.untold.length === 0) return;
    await this.#options.onChanges(state.untold.map((data, index) => ({ eventId: changeId(state, index), data })));
    this.#state = await this.#options.memory.save({ ...state, untold: [] });
  }

  /** Watches each folder below refs by itself: recursive watching is not available everywhere. */
  async #watchFolders(): Promise<void> {
    const { commonDir } = this.#options.repository;
    const top = join(commonDir, 'refs');
    const folders = await foldersBelow(top, this.#listEntries);
    if (folders === undefined) {
      // One went while they were listed, so the refs are looked at once more.
      this.#changedMeanwhile = true;
      return;
    }
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

/** `undefined` if one of them went meanwhile. */
async function foldersBelow(top: string, listEntries: ListEntries): Promise<string[] | undefined> {
  try {
    const entries = await listEntries(top);
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && path !== undefined && path !== top) return undefined;
    throw error;
  }
}

function entriesBelow(top: string): Promise<Dirent[]> {
  return readdir(top, { recursive: true, withFileTypes: true });
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
