import type { Storage } from '@mcp-events/server';
import type { ManualClock } from './manualClock.ts';

/** One engine under test, with everything it has stored so far. */
export interface StorageHarness {
  /** What the engine is to take for time. */
  readonly clock: ManualClock;
  /** Opens what was closed, or was left by a crash; at first, an empty storage. One at a time. */
  readonly open: () => Promise<Storage>;
  /**
   * The open storage ends like a process that is killed: without any warning, keeping what an engine of its kind keeps.
   * Calls that were not answered yet may never be.
   */
  readonly crash: () => Promise<void>;
}

/** Something every engine does. Rejects if this one does not. */
export interface StorageCase {
  /** Begins with the ids of the requirements that it serves, if any. */
  readonly title: string;
  /** Only engines that survive the process can do it. */
  readonly durable?: true;
  readonly run: (harness: StorageHarness) => Promise<void>;
}
