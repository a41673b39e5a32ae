import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { CursorStore, SubscriptionRecord } from '@mcp-events/client';
import { readLines, readOwnFacts } from './factReader.ts';
import type { ProcessConfig, ProcessShell } from './processShell.ts';

/** A position that was about to be stored, and what it acknowledged. */
interface Intention {
  readonly record: SubscriptionRecord;
  readonly eventIds: readonly string[];
}

/**
 * What of a subscription that is read by a loop was acknowledged: told as soon as its position is stored. What a position
 * stands for is written down before it is stored, so that the next life of the process can tell from the store how far the
 * one before came.
 */
export class RecordedPositions {
  readonly #shell: ProcessShell<ProcessConfig>;
  readonly #subscription: string;
  readonly #journal: string;
  #uncommitted: string[] = [];

  constructor(shell: ProcessShell<ProcessConfig>, subscription: string) {
    this.#shell = shell;
    this.#subscription = subscription;
    this.#journal = join(shell.config.folder, `${subscription}.positions.jsonl`);
  }

  /** Tells what an earlier life stored and had no time to tell. */
  recover(kept: SubscriptionRecord | undefined): void {
    const { folder, name } = this.#shell.config;
    const open = new Set<string>();
    for (const fact of readOwnFacts(folder, name)) {
      if (fact.fact === 'handed' && fact.subscription === this.#subscription) open.add(fact.eventId);
      if (fact.fact === 'committed' && fact.subscription === this.#subscription) open.delete(fact.eventId);
    }
    if (open.size === 0 || kept === undefined) return;
    const intentions = readLines(this.#journal).map((line) => JSON.parse(line) as Intention);
    const stored = intentions.findLast(({ record }) => isDeepStrictEqual(record, kept));
    for (const eventId of stored?.eventIds ?? []) if (open.has(eventId)) this.#committed(eventId);
  }

  handed(eventId: string, hash: string): void {
    this.#shell.facts.record({ fact: 'handed', subscription: this.#subscription, eventId, hash });
    this.#uncommitted.push(eventId);
  }

  /** Stores a position, which acknowledges everything that was handed out. */
  async save(record: SubscriptionRecord, store: () => Promise<void>): Promise<void> {
    const eventIds = [...this.#uncommitted];
    if (eventIds.length > 0) appendFileSync(this.#journal, `${JSON.stringify({ record, eventIds })}\n`);
    try {
      await store();
    } catch (error) {
      this.#shell.storeFailed();
      throw error;
    }
    for (const eventId of eventIds) this.#committed(eventId);
    this.#uncommitted = this.#uncommitted.slice(eventIds.length);
    if (record.cursor !== null) this.promised(record.cursor);
  }

  /** The position is safe: everything before it was handed out, or told as lost. */
  promised(cursor: string): void {
    this.#shell.facts.record({ fact: 'received', subscription: this.#subscription, cursor });
  }

  #committed(eventId: string): void {
    this.#shell.facts.record({ fact: 'committed', subscription: this.#subscription, eventId });
  }
}

/** A store that tells each position it keeps to those that record it, by the key of the subscription. */
export function recordedStore<Store extends CursorStore>(
  store: Store,
  recorders: ReadonlyMap<string, RecordedPositions>,
): Store {
  const save = (key: string, record: SubscriptionRecord): Promise<void> => {
    const recorder = recorders.get(key);
    return recorder === undefined ? store.save(key, record) : recorder.save(record, () => store.save(key, record));
  };
  return new Proxy(store, {
    get: (target, member) => {
      if (member === 'save') return save;
      // A store that is an inbox gives each client a session of its own.
      const { session } = target as { session?: () => Store };
      if (member === 'session' && session !== undefined) return () => recordedStore(session.call(target), recorders);
      const value: unknown = Reflect.get(target, member, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
