/* oxlint-disable eslint/no-console -- what the server writes there while its log fails is counted */
import { checkHistory } from '../history/checkHistory.ts';
import type { Fact } from '../history/facts.ts';
import type { Verdict } from '../history/verdict.ts';
import { readCursor } from './cursors.ts';
import { FaultCounts } from './faultCounts.ts';
import { describeThrown } from './simulatedFault.ts';
import { VirtualTime } from './virtualTime.ts';

export interface SimulationResult {
  readonly seed: number;
  readonly facts: readonly Fact[];
  readonly verdict: Verdict;
  /** What must not happen and is no matter of the history: unexpected errors and messages. */
  readonly complaints: readonly string[];
  /** How often each kind of fault took place that is not told by facts. */
  readonly faults: Readonly<Record<string, number>>;
}

const START_MS = Date.parse('2026-01-01T00:00:00Z');

/** What is written down of one world, and the time that passes in it. */
export class WorldRecord {
  readonly facts: Fact[] = [];
  readonly complaints: string[] = [];
  /** The events that were answered as stored. */
  readonly emittedIds: Set<string> = new Set();
  readonly faults: FaultCounts = new FaultCounts();
  readonly time: VirtualTime = new VirtualTime(START_MS);

  /** With the time, in the order of the calls. */
  record(fact: Fact): void {
    this.time.active();
    if (fact.fact === 'emitted') this.emittedIds.add(fact.eventId);
    this.facts.push({ ...fact, at: this.time.nowMs });
  }

  complain(message: string): void {
    this.complaints.push(message);
  }

  /** Runs the world, and judges what was seen of it; what nobody handles is complained of. */
  async judge(seed: number, run: () => Promise<void>): Promise<SimulationResult> {
    const { facts, complaints } = this;
    const onUnhandled = (error: unknown): void => {
      this.complain(`nobody handled: ${describeThrown(error)}`);
    };
    // Where the server writes what a log, or whoever else it tells, fails with.
    const written = { error: console.error, warn: console.warn };
    const write = (): void => this.faults.add('standard error: written to');
    Object.assign(console, { error: write, warn: write });
    process.on('unhandledRejection', onUnhandled);
    try {
      await run();
    } finally {
      process.off('unhandledRejection', onUnhandled);
      Object.assign(console, written);
    }
    return { seed, facts, complaints, faults: this.faults.toJSON(), verdict: checkHistory(facts, { readCursor }) };
  }
}
