import { randomBytes } from 'node:crypto';
import { memoryStorage } from '@mcp-events/server';
import type { Clock, EventLog, Storage } from '@mcp-events/server';
import type { OpenStorage } from './openStorage.ts';

/** Stands for a database: what is stored outlives restarts of the server, though not the process. */
export function processStorage(clock: Clock): OpenStorage {
  const kept = memoryStorage({ clock });
  const secretKeys = [randomBytes(32).toString('base64')];
  const logs = new Map<string, EventLog>();
  const openLog: Storage['openLog'] = (name, retention) => {
    const log = logs.get(name) ?? kept.openLog(name, retention);
    // Closing is the end of a run, not of the log.
    log.close = () => {};
    logs.set(name, log);
    return log;
  };
  const { subscriptions, deadLetters, notes } = kept;
  const storage: Storage = { durable: true, openLog, subscriptions, deadLetters, notes, close: () => {} };
  return async () => ({ storage, secretKeys, longGrants: false });
}
