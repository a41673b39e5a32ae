import type { JournalEntry } from './journal.ts';

/** A commit that the demo made. */
export interface SentCommit {
  hash: string;
  /** When `git commit` was started. */
  startedAtMs: number;
  /** Whether the subscriber and the server were running: otherwise the time until it arrived says how long they were not. */
  live: boolean;
}

/** What became of the commits at one subscriber. */
export interface Tally {
  sent: number;
  /** Different commits that arrived. */
  received: number;
  /** Handed out again by the same process. */
  duplicates: number;
  /** Handed out again after a kill, because the process died before it could acknowledge. */
  repeatedAfterKill: number;
  /** Arrived after a commit that was made later. */
  outOfOrder: number;
  missing: number;
  /** Times the subscriber was told that events may be missing. */
  gapsTold: number;
  /** Events of commits that the demo did not make. */
  unexpected: number;
  /** From the start of `git commit` until the application had the event, of live commits. */
  p50Ms: number | undefined;
  p99Ms: number | undefined;
}

/** Compares what was made with what a subscriber wrote down about an event type. */
export function tally(sent: readonly SentCommit[], journal: readonly JournalEntry[], eventType: string): Tally {
  const positions = new Map(sent.map(({ hash }, index) => [hash, index]));
  const firstBy = new Map<string, { process: number; atMs: number }>();
  const result = { duplicates: 0, repeatedAfterKill: 0, outOfOrder: 0, gapsTold: 0, unexpected: 0 };
  let highest = -1;
  for (const entry of journal) {
    if (entry.eventType !== eventType) continue;
    if (entry.kind === 'gap') {
      result.gapsTold += 1;
      continue;
    }
    const position = positions.get(entry.what);
    const first = firstBy.get(entry.what);
    if (position === undefined) result.unexpected += 1;
    else if (first !== undefined) {
      if (first.process === entry.process) result.duplicates += 1;
      else result.repeatedAfterKill += 1;
      // Measured from here on, so that a second repetition in the new process counts against it.
      first.process = entry.process;
    } else {
      firstBy.set(entry.what, { process: entry.process, atMs: entry.atMs });
      if (position < highest) result.outOfOrder += 1;
      highest = Math.max(highest, position);
    }
  }
  const latencies = sent.flatMap(({ hash, startedAtMs, live }) => {
    const first = firstBy.get(hash);
    return live && first !== undefined ? [first.atMs - startedAtMs] : [];
  });
  return {
    sent: sent.length,
    received: firstBy.size,
    missing: sent.length - firstBy.size,
    ...result,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
  };
}

/** The smallest value that at least `percent` of the values do not exceed. */
function percentile(values: readonly number[], percent: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
}

/** What a tally shows of broken promises, in words; empty if all held. `kills` is how often the subscriber was killed. */
export function brokenPromises(name: string, result: Tally, kills: number): string[] {
  const { duplicates, repeatedAfterKill, outOfOrder, missing, gapsTold, unexpected } = result;
  const problems: string[] = [];
  if (missing > 0) problems.push(`the ${name} subscriber never got ${count(missing, 'commit')}`);
  if (gapsTold > 0) problems.push(`the ${name} subscriber was told of ${count(gapsTold, 'gap')}`);
  if (outOfOrder > 0) problems.push(`the ${name} subscriber got ${count(outOfOrder, 'commit')} out of order`);
  if (duplicates > 0) problems.push(`the ${name} subscriber got ${count(duplicates, 'commit')} twice`);
  // Only the one event in the application's hands can be unacknowledged when a process dies.
  if (repeatedAfterKill > kills) {
    problems.push(
      `the ${name} subscriber got ${count(repeatedAfterKill, 'commit')} again after ${count(kills, 'kill')}`,
    );
  }
  if (unexpected > 0) problems.push(`the ${name} subscriber got ${count(unexpected, 'event')} nobody caused`);
  return problems;
}

/** `1 commit`, `2 commits`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}
