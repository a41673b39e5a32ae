import type { Storage } from '@mcp-events/server';
import { DiskStorage } from './diskStorage.ts';
import type { DiskBehaviour } from './diskStorage.ts';
import type { Random } from './random.ts';
import type { VirtualDisk } from './virtualDisk.ts';
import type { ProcessClock, VirtualTime } from './virtualTime.ts';

/** What one life of a server needs of its storage. */
export interface EngineContext {
  readonly clock: ProcessClock;
  /** The same time, for what does not end with the process. */
  readonly storageClock: ProcessClock;
  readonly time: VirtualTime;
  readonly random: Random;
  /** Told the last position that retention removed. */
  readonly onRemoved: (name: string, cursor: string) => void;
  /** Told that a log begins later than retention says. */
  readonly onTooFew: (name: string, oldest: number) => void;
}

/** The storage of one life of a server. */
export interface OpenEngine {
  readonly storage: Storage;
  /** The process dies, with what it had not stored. */
  kill(): void;
}

/** Opens the virtual disk for one life of a server. */
export function openDisk(disk: VirtualDisk, behaviour: DiskBehaviour, context: EngineContext): OpenEngine {
  const { clock, random, time, onRemoved } = context;
  const storage = new DiskStorage(disk, behaviour, { clock, random, onActivity: () => time.active(), onRemoved });
  return { storage, kill: () => storage.kill() };
}
