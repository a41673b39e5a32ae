import type { CursorStore, SubscriptionRecord } from './cursorStore.ts';

/** Keeps positions for the life of the process: reconnects resume, restarts do not. */
export function memoryStore(): CursorStore {
  const records = new Map<string, SubscriptionRecord>();
  return {
    load: async (key) => structuredClone(records.get(key)),
    save: async (key, record) => {
      records.set(key, structuredClone(record));
    },
    delete: async (key) => {
      records.delete(key);
    },
    list: async () => structuredClone([...records.values()]),
  };
}
