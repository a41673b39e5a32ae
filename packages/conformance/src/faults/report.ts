import { describeExamined, describeVerdict } from '../history/verdict.ts';
import type { Planted } from './planting.ts';
import type { RunResult } from './run.ts';

/** Violations and complaints shown; the files have all of them. */
const SHOWN = 20;

/** What a run came to, for people. */
export function describeRun(result: RunResult, planted: readonly Planted[]): string {
  const { verdict, complaints, injected, settledMs, diskRefusal, facts } = result;
  const faults = Object.entries(injected).map(([kind, count]) => `${kind} ${count}`);
  const hidden = verdict.violations.length - SHOWN;
  return [
    describeVerdict({ ...verdict, violations: verdict.violations.slice(0, SHOWN) }),
    ...(hidden > 0 ? [`and ${hidden} violations more`] : []),
    describeExamined(verdict.examined),
    `facts ${facts.length}; what was owed had arrived ${(settledMs / 1_000).toFixed(1)} s after the last fault`,
    `faults: ${faults.join(', ') || 'none'}`,
    `full disks: ${diskRefusal === undefined ? 'a small tmpfs each' : `left out, nothing can be mounted here (${diskRefusal})`}`,
    ...(planted.length === 0
      ? []
      : [`planted: ${planted.map(({ kind, outcome }) => `${kind} ${outcome}`).join(', ')}`]),
    ...complaints.slice(0, SHOWN).map((complaint) => `complaint: ${complaint}`),
    `${verdict.violations.length} violations, ${complaints.length} complaints`,
  ].join('\n');
}
