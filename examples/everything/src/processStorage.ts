import { memoryStorage } from '@mcp-events/server';
import type { Clock, EventLog, Storage } from '@mcp-events/server';

/**
 * Stands for a database: what is stored outlives restarts of the server, though not the process.
 *
 * @returns opens it for the next run; the run before it must have ended
 */
export function processStorage(clock: Clock): () => Storage {
  const kept = memoryStorage({ clock });
  const logs = new Map<string, EventLog>();
  const openLog: Storage['openLog'] = (name, retention) => {
    const log = logs.get(name) ?? kept.openLog(name, retention);
    // Closing is the end of a run, not of the log.
    log.close = () => {};
    logs.set(name, log);
    return log;
  };
  const { subscriptions, deadLetters, notes } = kept;
  return () => ({ durable: true, openLog, subscriptions, deadLetters, notes, close: () => {} });
}
