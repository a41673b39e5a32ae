import { constants } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { atDisk, failure, inMemory, isFolder, statOf, VirtualFileHandle } from './virtualFiles.ts';
import type { FileAccess } from './virtualFiles.ts';

/** Paths below it are on virtual disks; the next segments name machine and process. */
const VIRTUAL_ROOT = '/simulated';

/** The path of a machine's file, as one of its processes names it. */
export function virtualPath(process: string, name: string): string {
  return `${VIRTUAL_ROOT}/${process}/${name}`;
}

type Functions = Record<string, (...args: unknown[]) => unknown>;

/**
 * Lets Node's file functions work on virtual disks for paths below {@link VIRTUAL_ROOT}, so that the stores of the client
 * need no other way in for it. Everything else passes.
 *
 * @param accessOf what a process has of its machine's files
 * @returns takes it back
 */
export function patchFiles(accessOf: (process: string) => FileAccess): () => void {
  const originals: Functions = {};
  const functions = fs as unknown as Functions;
  const patched = virtualFunctions(accessOf);
  for (const [name, virtual] of Object.entries(patched)) {
    const original = functions[name] as Functions[string];
    originals[name] = original;
    functions[name] = (path: unknown, ...rest: unknown[]) => {
      if (typeof path === 'string' && path.startsWith(`${VIRTUAL_ROOT}/`)) return virtual(path, ...rest);
      return original(path, ...rest);
    };
  }
  syncBuiltinESMExports();
  return () => {
    Object.assign(functions, originals);
    syncBuiltinESMExports();
  };
}

function virtualFunctions(
  accessOf: (process: string) => FileAccess,
): Record<string, (path: string, ...rest: unknown[]) => Promise<unknown>> {
  const place = (path: string): { access: FileAccess; name: string } => {
    const [, , process = '', ...names] = path.split('/');
    return { access: accessOf(process), name: names.join('/') };
  };
  const stat = (path: string, options?: unknown): Promise<unknown> => {
    const { access, name } = place(path);
    return inMemory(access, () => {
      const inode = access.files.find(name);
      if (inode === undefined && !isFolder(name)) throw failure('ENOENT', `stat '${path}'`);
      return statOf(inode, (options as { bigint?: unknown } | undefined)?.bigint === true);
    });
  };
  return {
    open: (path, flags = 'r') => {
      const { access, name } = place(path);
      return atDisk(access, () => {
        const { random, behaviour } = access.files;
        if (behaviour.openFailure > 0 && random.chance(behaviour.openFailure))
          throw failure('EMFILE', `open '${path}'`);
        if (isFolder(name)) return new VirtualFileHandle(access, undefined);
        const known = access.files.find(name);
        const text = String(flags);
        const creates = typeof flags === 'number' ? (flags & constants.O_CREAT) !== 0 : /[wa]/.test(text);
        if (known === undefined && !creates) throw failure('ENOENT', `open '${path}'`);
        if (known !== undefined && text.includes('x')) throw failure('EEXIST', `open '${path}'`);
        const inode = access.files.create(name);
        if (text.startsWith('w')) inode.content = Buffer.alloc(0);
        return new VirtualFileHandle(access, inode);
      });
    },
    readFile: (path, options) => {
      const { access, name } = place(path);
      return atDisk(access, () => {
        const inode = access.files.find(name);
        if (inode === undefined) throw failure(isFolder(name) ? 'EISDIR' : 'ENOENT', `open '${path}'`);
        return options === undefined ? Buffer.from(inode.content) : inode.content.toString('utf8');
      });
    },
    rename: (path, to) => {
      const { access, name } = place(path);
      return atDisk(access, () => access.files.rename(name, place(String(to)).name));
    },
    unlink: (path) => {
      const { access, name } = place(path);
      return atDisk(access, () => access.files.remove(name));
    },
    rm: (path) => {
      const { access, name } = place(path);
      return atDisk(access, () => {
        if (access.files.find(name) !== undefined) access.files.remove(name);
      });
    },
    mkdir: () => Promise.resolve(undefined),
    stat,
    lstat: stat,
    access: stat,
    realpath: (path) => stat(path).then(() => path),
    readlink: (path) => Promise.reject(failure('EINVAL', `readlink '${path}'`)),
  };
}
