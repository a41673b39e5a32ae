import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { Clock } from '@mcp-events/server';
import { openSqliteStorage } from '@mcp-events/sqlite';
import type { OpenStorage } from './openStorage.ts';

const KEY_BYTES = 32;

/**
 * Events and webhook subscriptions in a SQLite file. The key that encrypts their signing secrets is beside it, so that
 * one option is enough to try things out: an operator keeps it elsewhere, because whoever copies both has the secrets.
 */
export function sqliteStorage(file: string, clock: Clock, report: (problem: unknown) => void): OpenStorage {
  return async () => {
    // First the storage: whoever has it is alone, also with the key.
    const storage = await openSqliteStorage({ file, clock, onWarning: report });
    try {
      return { storage, secretKeys: [await readOrCreateKey(`${file}.key`)], longGrants: true };
    } catch (error) {
      await storage.close();
      throw error;
    }
  };
}

async function readOrCreateKey(path: string): Promise<string> {
  const stored = await readKey(path);
  if (stored !== undefined) return stored;
  const key = randomBytes(KEY_BYTES).toString('base64');
  await writeFile(path, `${key}\n`, { mode: 0o600, flag: 'wx', flush: true });
  return key;
}

async function readKey(path: string): Promise<string | undefined> {
  try {
    const key = (await readFile(path, 'utf8')).trim();
    if (Buffer.from(key, 'base64').byteLength === KEY_BYTES) return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const reason = (error as Error).message;
    throw new Error(`${path}: this key cannot be read (${reason}). Restore it, or choose another file for --storage`, {
      cause: error,
    });
  }
  throw new Error(`${path}: this is no key of ${KEY_BYTES} bytes in base64. Restore it, or remove it and the storage`);
}
