import { readFile, rename, writeFile } from 'node:fs/promises';
import type { StoredSubscription, SubscriptionStore } from '@mcp-events/server';

/**
 * Keeps webhook subscriptions in one JSON file, so that they survive the server. Their secrets are in it: only its owner
 * may read it. Each change writes the whole file anew, which is enough for a few subscriptions.
 */
export function subscriptionFile(path: string): SubscriptionStore {
  const subscriptions = new Map<string, StoredSubscription>();
  let writing: Promise<void> = Promise.resolve();

  /** One write after the other. A file that is replaced as a whole is never half written. */
  function write(): Promise<void> {
    const written = writing.then(async () => {
      await writeFile(`${path}.new`, JSON.stringify([...subscriptions.values()]), { mode: 0o600, flush: true });
      await rename(`${path}.new`, path);
    });
    writing = written.catch(() => {});
    return written;
  }

  return {
    load: async () => {
      for (const subscription of await readSubscriptions(path)) subscriptions.set(subscription.id, subscription);
      return [...subscriptions.values()];
    },
    save: (subscription) => {
      subscriptions.set(subscription.id, subscription);
      return write();
    },
    delete: (id) => {
      subscriptions.delete(id);
      return write();
    },
  };
}

async function readSubscriptions(path: string): Promise<StoredSubscription[]> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as StoredSubscription[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
