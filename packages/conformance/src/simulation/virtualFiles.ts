import { posix } from 'node:path';
import type { Random } from './random.ts';
import type { ProcessClock, VirtualTime } from './virtualTime.ts';

/** How the files of a machine behave at the moment. Changed while they are in use. */
export interface FileBehaviour {
  latencyMs: number;
  /** Of each write, which then may leave a part of what was to be written. */
  writeFailure: number;
  /** Of each flush. */
  syncFailure: number;
  /** Of each file that is opened: the process has no descriptor left. */
  openFailure: number;
}

/** A file, as its machine sees it, and as it is on the disk. */
class Inode {
  readonly number: number;
  synced: Buffer = Buffer.alloc(0);
  #content: Buffer = Buffer.alloc(0);
  /** Changes with each write, as the time of the latest one does. */
  #version: number;

  constructor(number: number) {
    this.number = number;
    this.#version = number;
  }

  get content(): Buffer {
    return this.#content;
  }

  set content(content: Buffer) {
    this.#content = content;
    this.#version++;
  }

  get version(): number {
    return this.#version;
  }
}

/** What one process has of a machine's files; it ends with the process. */
export interface FileAccess {
  readonly files: VirtualFiles;
  readonly clock: Pick<ProcessClock, 'delay'>;
  readonly isAlive: () => boolean;
}

/**
 * The files of one machine. They survive processes as they are; when the power goes, what was not flushed may be lost, the
 * names in folders as well as the content of files.
 */
export class VirtualFiles {
  readonly behaviour: FileBehaviour = { latencyMs: 0, writeFailure: 0, syncFailure: 0, openFailure: 0 };
  readonly random: Random;
  readonly time: VirtualTime;
  #names = new Map<string, Inode>();
  #syncedNames = new Map<string, Inode>();
  #inodes = 0;

  constructor(random: Random, time: VirtualTime) {
    this.random = random;
    this.time = time;
  }

  find(path: string): Inode | undefined {
    return this.#names.get(path);
  }

  create(path: string): Inode {
    let inode = this.#names.get(path);
    if (inode === undefined) this.#names.set(path, (inode = new Inode(++this.#inodes)));
    return inode;
  }

  rename(from: string, to: string): void {
    const inode = this.#names.get(from);
    if (inode === undefined) throw failure('ENOENT', `rename '${from}' -> '${to}'`);
    this.#names.set(to, inode);
    this.#names.delete(from);
  }

  remove(path: string): void {
    if (!this.#names.delete(path)) throw failure('ENOENT', `unlink '${path}'`);
  }

  /** The names in folders are on the disk. */
  syncNames(): void {
    this.#syncedNames = new Map(this.#names);
  }

  /** The power goes: names and contents are those of the disk, or later ones, or torn. */
  losePower(): void {
    const { random } = this;
    const names = random.chance(0.5) ? this.#syncedNames : this.#names;
    this.#names = new Map(names);
    this.#syncedNames = new Map(names);
    for (const inode of new Set(names.values())) {
      if (!inode.content.equals(inode.synced)) {
        const fate = random.weighted({ old: 2, new: 1, torn: 1 });
        if (fate === 'old') inode.content = inode.synced;
        else if (fate === 'torn')
          inode.content = inode.content.subarray(0, random.int(wholeOf(inode), inode.content.length));
      }
      inode.synced = inode.content;
    }
  }
}

/** Up to where a file is as it was flushed: that much is on the disk, whatever is torn. */
function wholeOf({ synced, content }: Inode): number {
  const shared = Math.min(synced.length, content.length);
  let length = 0;
  while (length < shared && synced[length] === content[length]) length++;
  return length;
}

/** An error as Node tells one of a file system. */
export function failure(code: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated, ${what}`), { code, syscall: what.split(' ')[0] });
}

/** After the time that the disk takes; never, if the process is gone by then. */
export async function atDisk<T>({ files, clock, isAlive }: FileAccess, act: () => T): Promise<T> {
  const delayMs = files.random.delayMs(files.behaviour.latencyMs);
  files.time.active();
  if (delayMs > 0) await clock.delay(delayMs);
  if (!isAlive()) return new Promise(() => {});
  files.time.active();
  return act();
}

/** What the machine has in its memory, as the state of a file, costs no time of the disk; never, if the process is gone. */
export async function inMemory<T>({ files, isAlive }: FileAccess, act: () => T): Promise<T> {
  files.time.active();
  return isAlive() ? act() : new Promise(() => {});
}

/** An open file, with what the stores of clients use of Node's. */
export class VirtualFileHandle {
  readonly #access: FileAccess;
  readonly #inode: Inode | undefined;
  #position = 0;

  /** @param inode undefined for a folder */
  constructor(access: FileAccess, inode: Inode | undefined) {
    this.#access = access;
    this.#inode = inode;
  }

  async writeFile(data: string | Uint8Array): Promise<void> {
    await this.#write(Buffer.from(data as string), this.#position);
  }

  async write(data: string | Uint8Array, ...rest: unknown[]): Promise<{ bytesWritten: number; buffer: unknown }> {
    let bytes = Buffer.from(data as string);
    let position: unknown;
    if (typeof data === 'string') [position] = rest;
    else {
      const [offset = 0, length = bytes.length - offset] = rest as [number?, number?];
      bytes = bytes.subarray(offset, offset + length);
      position = rest[2];
    }
    await this.#write(bytes, typeof position === 'number' ? position : this.#position);
    return { bytesWritten: bytes.length, buffer: data };
  }

  readFile(encoding?: unknown): Promise<Buffer | string> {
    return atDisk(this.#access, () => {
      const content = Buffer.from(this.#inode?.content ?? []);
      return encoding === undefined ? content : content.toString('utf8');
    });
  }

  truncate(length = 0): Promise<void> {
    return atDisk(this.#access, () => {
      const { content } = this.#required();
      this.#required().content = Buffer.concat([content, Buffer.alloc(Math.max(0, length - content.length))]).subarray(
        0,
        length,
      );
    });
  }

  sync(): Promise<void> {
    return atDisk(this.#access, () => {
      const { files } = this.#access;
      if (files.random.chance(files.behaviour.syncFailure)) throw failure('EIO', 'fsync');
      if (this.#inode === undefined) files.syncNames();
      else this.#inode.synced = this.#inode.content;
    });
  }

  datasync(): Promise<void> {
    return this.sync();
  }

  stat(): Promise<object> {
    return inMemory(this.#access, () => statOf(this.#inode, false));
  }

  chmod(): Promise<void> {
    return Promise.resolve();
  }

  chown(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return atDisk(this.#access, () => {});
  }

  #write(bytes: Buffer, position: number): Promise<void> {
    return atDisk(this.#access, () => {
      const { random, behaviour } = this.#access.files;
      const fails = random.chance(behaviour.writeFailure);
      const written = fails ? bytes.subarray(0, random.int(0, bytes.length)) : bytes;
      const inode = this.#required();
      const { content } = inode;
      const end = position + written.length;
      const next = Buffer.alloc(Math.max(content.length, end));
      content.copy(next);
      written.copy(next, position);
      inode.content = next;
      this.#position = end;
      if (fails) throw failure('ENOSPC', 'write');
    });
  }

  #required(): Inode {
    if (this.#inode === undefined) throw failure('EISDIR', 'write');
    return this.#inode;
  }
}

/**
 * @param inode undefined for a folder
 * @param isExact whole numbers of any size, and the time in nanoseconds
 */
export function statOf(inode: Inode | undefined, isExact: boolean): object {
  const numbers = {
    size: inode?.content.length ?? 0,
    mode: 0o600,
    uid: 0,
    gid: 0,
    nlink: 1,
    ino: inode?.number ?? 0,
    dev: 1,
    mtimeMs: inode?.version ?? 0,
  };
  const exact = Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, BigInt(number)]));
  return {
    ...(isExact ? { ...exact, mtimeNs: BigInt(numbers.mtimeMs * 1_000_000) } : numbers),
    isFile: () => inode !== undefined,
    isDirectory: () => inode === undefined,
    isSymbolicLink: () => false,
  };
}

/** Whether a path stands for a folder: files of the simulation have an extension. */
export function isFolder(path: string): boolean {
  return posix.extname(path) === '';
}
