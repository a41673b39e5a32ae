import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStorage } from '@mcp-events/server';
import type { Storage } from '@mcp-events/server';
import { openSqliteStorage } from '@mcp-events/sqlite';
import { ManualClock } from '../src/storage/index.ts';
import type { StorageHarness } from '../src/storage/index.ts';

export interface DisposableHarness extends StorageHarness {
  dispose(): Promise<void>;
}

export function memoryHarness(): DisposableHarness {
  const clock = new ManualClock();
  return {
    clock,
    open: async () => memoryStorage({ clock }),
    crash: async () => {},
    dispose: async () => {},
  };
}

export function sqliteHarness(): DisposableHarness {
  const clock = new ManualClock();
  const folder = mkdtempSync(join(tmpdir(), 'mcp-events-storage-'));
  const opened: Storage[] = [];
  let life = 1;
  const file = (): string => join(folder, `${life}.db`);
  return {
    clock,
    open: async () => {
      const storage = await openSqliteStorage({ file: file(), clock });
      opened.push(storage);
      return storage;
    },
    // What another process finds is what the files hold at this moment.
    crash: async () => {
      const left = file();
      life++;
      for (const suffix of ['', '-wal']) if (existsSync(left + suffix)) copyFileSync(left + suffix, file() + suffix);
    },
    dispose: async () => {
      for (const storage of opened) await storage.close();
      rmSync(folder, { recursive: true });
    },
  };
}
