import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './files.ts';

/**
 * A copy of the working tree in which sources can be changed while others use the original. Installed packages are those
 * of the original; packages of this repository are those of the copy.
 */
export class Checkout {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'mcp-events-checkout-'));

  constructor() {
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
    for (const path of listed.toString('utf8').split('\0').filter(Boolean)) {
      if (existsSync(join(root, path))) cpSync(join(root, path), join(this.folder, path));
    }
    this.#link(join(root, 'node_modules'), join(this.folder, 'node_modules'));
    for (const group of ['examples', 'packages']) {
      for (const name of readdirSync(join(root, group))) {
        this.#link(join(root, group, name, 'node_modules'), join(this.folder, group, name, 'node_modules'));
      }
    }
  }

  /** Puts texts in the place of files while `act` runs, then what was there before. */
  async with<T>(files: ReadonlyMap<string, string>, act: () => Promise<T>): Promise<T> {
    const before = new Map<string, string>();
    for (const path of files.keys()) before.set(path, await readFile(join(this.folder, path), 'utf8'));
    try {
      for (const [path, text] of files) await writeFile(join(this.folder, path), text);
      return await act();
    } finally {
      for (const [path, text] of before) await writeFile(join(this.folder, path), text);
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #link(from: string, to: string): void {
    if (!existsSync(from)) return;
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(from)) {
      if (name === '.vite' || name === '.vitest') continue;
      // The links of the workspaces are relative and lead into the copy.
      if (name === '@mcp-events') cpSync(join(from, name), join(to, name), { recursive: true, verbatimSymlinks: true });
      else symlinkSync(join(from, name), join(to, name));
    }
  }
}
