import type { StoredSubscription } from '@mcp-events/server';
import type { Random } from './random.ts';
import type { DiskContent, DiskEvent, DiskLog, VirtualDisk } from './virtualDisk.ts';
import type { WorldRecord } from './worldRecord.ts';

/** What a damaged record of a subscription may be. */
const DAMAGED_RECORDS: readonly string[] = ['null', '[]', '"text"', '{}', '{"id":5,"name":null}'];

export interface StoredFaultsOptions {
  readonly disk: VirtualDisk;
  /** What the history calls a subscription that is stored. */
  readonly nameOf: (stored: StoredSubscription) => string | undefined;
  /** Whether a client asks from where the history says that it stands; else it may have read further ahead. */
  readonly standsWhereSaid: boolean;
  /** Of this type one of the latest events is damaged before most starts. Default: of none. */
  readonly damagedType?: string | undefined;
}

/** Events at the end of a log that somebody who comes back is likely to have missed. */
const LATEST = 3;

/** Their payloads are read for each subscription; of others the server sends the text, and the engine vouches for it. */
const READ_BY_AUTHOR: ReadonlySet<string> = new Set(['matched', 'transformed']);

/** What happens to a server's storage while no server has it open: it is damaged, or replaced by an earlier copy. */
export class StoredFaults {
  readonly #random: Random;
  readonly #world: WorldRecord;
  readonly #options: StoredFaultsOptions;
  #backup: DiskContent | undefined;
  #isDamaged = false;

  constructor(random: Random, world: WorldRecord, options: StoredFaultsOptions) {
    this.#random = random;
    this.#world = world;
    this.#options = options;
  }

  /** A copy is made while the server runs. */
  backUp(): void {
    this.#backup = this.#options.disk.copy();
  }

  /** Before the next server starts. Returns whether the storage is an earlier one. */
  beforeStart(): boolean {
    if (this.#options.damagedType !== undefined) this.#damageLatest(this.#options.damagedType);
    if (this.#random.chance(0.15)) this.#damageEvent();
    if (this.#random.chance(0.1)) this.#damageSubscription();
    if (this.#backup === undefined || !this.#random.chance(0.3)) return false;
    this.#restore(this.#backup);
    // One that is older than what it replaced would know nothing of the epoch in between.
    this.#backup = undefined;
    return true;
  }

  /** Whether an error that the server reports comes of the damage. */
  expects(error: unknown): boolean {
    return this.#isDamaged && error instanceof TypeError && /^the stored (payload|subscription)\b/.test(error.message);
  }

  #restore(backup: DiskContent): void {
    this.#options.disk.restore(backup);
    this.#world.faults.add('storage: restored');
    const logs = [...backup.logs].map(([type, { epoch: from, head }]) => {
      return { type, from, head, epoch: this.#options.disk.log(type).epoch };
    });
    this.#world.record({ fact: 'restored', logs });
    for (const { type, from, head, epoch } of logs) {
      // Who was beyond the copy, and webhooks, of which nobody knows where they are, until they have something newer.
      const upTo = `${epoch}.${head + 1}`;
      const lost = { fact: 'lossCause', why: 'restored', type, upTo } as const;
      this.#world.record(this.#options.standsWhereSaid ? { ...lost, beyond: `${from}.${head}` } : lost);
      this.#world.record({ ...lost, mode: 'webhook' });
    }
  }

  #damageEvent(): void {
    const [type, log] = this.#pickLog() ?? [];
    if (type === undefined || log === undefined) return;
    const index = this.#random.int(0, log.events.length - 1);
    const damage = this.#random.pick(['found', 'hidden'] as const);
    this.#damage(type, log, index, READ_BY_AUTHOR.has(type) ? damage : 'found');
  }

  #damageLatest(type: string): void {
    const log = this.#options.disk.logs.get(type);
    const count = log?.events.length ?? 0;
    if (log === undefined || count === 0 || this.#random.chance(0.3)) return;
    this.#damage(type, log, this.#random.int(Math.max(0, count - LATEST), count - 1), 'hidden');
  }

  #damage(type: string, log: DiskLog, index: number, damage: 'found' | 'hidden'): void {
    const event = log.events[index] as DiskEvent;
    log.events[index] = { ...event, damage };
    this.#isDamaged = true;
    this.#world.faults.add('storage: event damaged');
    this.#world.record({ fact: 'lossCause', why: 'damage', type, upTo: `${log.epoch}.${event.position}` });
  }

  #pickLog(): [string, DiskLog] | undefined {
    const filled = [...this.#options.disk.logs].filter(([, { events }]) => events.length > 0);
    return filled.length === 0 ? undefined : this.#random.pick(filled);
  }

  #damageSubscription(): void {
    const { subscriptions } = this.#options.disk;
    if (subscriptions.size === 0) return;
    const [id, text] = this.#random.pick([...subscriptions]);
    if (DAMAGED_RECORDS.includes(text)) return;
    subscriptions.set(id, this.#random.pick(DAMAGED_RECORDS));
    this.#isDamaged = true;
    this.#world.faults.add('storage: subscription damaged');
    const subscription = this.#options.nameOf(JSON.parse(text) as StoredSubscription);
    if (subscription !== undefined) this.#world.record({ fact: 'ended', subscription, how: 'dropped' });
  }
}
