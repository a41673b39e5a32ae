import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { goalMet } from './figure.ts';
import type { Figure, RunOptions } from './figure.ts';

const RESULTS = new URL('../../results/', import.meta.url);

/** Directory for everything that is written; not under version control. */
export const resultsPath: string = fileURLToPath(RESULTS);

/** Writes a file beside the results. */
export function writeResult(name: string, text: string): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(new URL(name, RESULTS), text);
}

export function writeResults(figures: readonly Figure[], { rounds, quick }: RunOptions): void {
  const environment = {
    date: new Date().toISOString(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    rounds,
    quick,
  };
  const results = figures.map((figure) => ({ ...figure, met: goalMet(figure) }));
  writeResult('latest.json', `${JSON.stringify({ environment, figures: results }, undefined, 2)}\n`);
  const { node, cpu, cores, date } = environment;
  console.log(`\nNode.js ${node}, ${cores} x ${cpu}, ${date}, median of ${rounds} rounds${quick ? ', quick' : ''}`);
}

/** Prints figures as a table; `details` go below the line they belong to. */
export function printTable(figures: readonly Figure[]): void {
  const header = ['figure', 'unit', 'ours', 'reference', 'ratio', '(rounds)', 'goal', ''];
  const rows = figures.map((figure) => [
    figure.name,
    figure.unit,
    number(figure.ours),
    number(figure.reference),
    figure.ratio.toFixed(2),
    `(${figure.ratioRange.map((ratio) => ratio.toFixed(2)).join('-')})`,
    goalText(figure),
    { true: 'met', false: 'MISSED', undefined: '' }[String(goalMet(figure))] ?? '',
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  console.log(`\n${line(header)}`);
  for (const [index, row] of rows.entries()) {
    console.log(line(row));
    const details = Object.entries(figures[index]?.details ?? {});
    if (details.length > 0) console.log(`    ${details.map(([name, value]) => `${name} ${number(value)}`).join(', ')}`);
  }
}

function goalText({ goal }: Figure): string {
  if (goal === undefined) return '';
  return 'atLeast' in goal ? `>= ${goal.atLeast}` : `<= ${goal.atMost}`;
}

function number(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 2 : 4;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}
