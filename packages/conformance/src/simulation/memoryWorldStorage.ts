import { memoryStorage } from '@mcp-events/server';
import type { EngineContext, OpenEngine } from './serverEngine.ts';
import type { Settings } from './settings.ts';
import { watchedStorage } from './watchedStorage.ts';
import type { WorldRecord } from './worldRecord.ts';
import type { WorldStorage } from './worldStorage.ts';

/** What is held in memory only is not granted for longer. */
const LONGEST_GRANT_MS = 3_600_000;

/**
 * Storage that ends with each process. Every log begins anew with the next one, in an epoch of its own, and whoever comes
 * with a cursor of an earlier one is to be told.
 */
export class MemoryWorldStorage implements WorldStorage {
  readonly survives = false;
  readonly #world: WorldRecord;
  #epochs = 0;
  #lives = 0;

  constructor(world: WorldRecord) {
    this.#world = world;
  }

  /** Grants without an end are for storage that outlives the process. */
  adapt({ options, subscribers, ...settings }: Settings): Settings {
    const { webhooks } = options;
    return {
      ...settings,
      options: { ...options, webhooks: { ...webhooks, ttl: { minMs: 60_000 } } },
      subscribers: subscribers.map((subscriber) => ({ ...subscriber, ttlMs: subscriber.ttlMs ?? LONGEST_GRANT_MS })),
    };
  }

  open({ clock, onRemoved, onTooFew }: EngineContext): OpenEngine {
    const isFirst = this.#lives++ === 0;
    if (!isFirst) this.#world.faults.add('storage: gone with the process');
    const storage = memoryStorage({ clock, createEpoch: () => `memory${++this.#epochs}` });
    const onOpen = (type: string, epoch: string): void => {
      // Of whoever stands in an earlier past, whenever it comes back.
      if (!isFirst) this.#world.record({ fact: 'lossCause', why: 'in memory', type, upTo: `${epoch}.0` });
    };
    return { storage: watchedStorage(storage, { onRemoved, onTooFew, onOpen }), kill: () => {} };
  }

  /** A report that was not answered is gone with the log. */
  endOf(): undefined {
    return undefined;
  }
}
