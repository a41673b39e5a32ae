import { durableLogCases } from './durableLogCases.ts';
import { logCases } from './logCases.ts';
import { recordCases } from './recordCases.ts';
import type { StorageCase } from './storageCase.ts';

export { ManualClock } from './manualClock.ts';
export type { StorageCase, StorageHarness } from './storageCase.ts';

/** What the server relies on, whatever engine stores its events and subscriptions. */
export const storageCases: readonly StorageCase[] = [...logCases, ...durableLogCases, ...recordCases];
