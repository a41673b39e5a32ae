import { performance } from 'node:perf_hooks';
import { styleText } from 'node:util';
import type { ScenarioReport, SubscriberReport } from './scenario.ts';

/** Writes what happens, each line with the time since the start. */
export function timeline(write: (line: string) => void): (what: string) => void {
  const startMs = performance.now();
  return (what) => {
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    write(`${seconds.padStart(5)} s  ${what}`);
  };
}

const HEADINGS = ['mode', 'sent', 'received', 'duplicates', 'out of order', 'missing', 'gaps told', 'p50', 'p99'];

/** The result as a table, notes and a verdict. */
export function describeReport(report: ScenarioReport, color: boolean): string {
  const { subscribers, problems } = report;
  const rows = subscribers.map(({ mode, commits }) => [
    mode,
    ...[commits.sent, commits.received, commits.duplicates, commits.outOfOrder, commits.missing, commits.gapsTold],
    milliseconds(commits.p50Ms),
    milliseconds(commits.p99Ms),
  ]);
  const paint = (style: 'green' | 'red', text: string): string => (color ? styleText(style, text) : text);
  return [
    'Commits (git.commit), as the applications got them:',
    '',
    ...table([HEADINGS, ...rows.map((row) => row.map(String))]).map((line) => `  ${line}`),
    '',
    ...notes(subscribers),
    '',
    ...(problems.length === 0
      ? [paint('green', 'All promises held.'), ...PROMISES]
      : [paint('red', 'A promise was broken:'), ...problems.map((problem) => `  ${problem}`)]),
  ].join('\n');
}

const PROMISES = [
  'Each subscriber received every commit and every branch update, in order and without a gap, although',
  'one of them and the server were killed on the way. No process was given an event twice.',
];

function notes(subscribers: readonly SubscriberReport[]): string[] {
  const repeated = subscribers.map(({ mode, commits }) => `${mode} ${commits.repeatedAfterKill}`).join(', ');
  const refs = subscribers.map(({ mode, refChanges }) => `${mode} ${refChanges.length}`).join(', ');
  const refGaps = subscribers.reduce((sum, { refGapsTold }) => sum + refGapsTold, 0);
  return [
    'Latency: from the start of `git commit` to the application, while subscriber and server were up.',
    `Handed out again after the kill, because it came before the acknowledgement: ${repeated} (at most 1).`,
    `Branch updates (git.ref.updated): 4 made, one of them while nobody served; received: ${refs}; gaps told: ${refGaps}.`,
  ];
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '-' : `${Math.round(value)} ms`;
}

/** Columns as wide as needed; the first one to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
}
