import { parseArgs } from 'node:util';
import { describeVerdict } from '../history/verdict.ts';
import { simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    facts: { type: 'boolean', default: false },
  },
});

const first = Number(values.first);
const count = Number(values.seeds);
const startMs = performance.now();
const totals: Record<string, number> = {};
let failed = 0;
for (let seed = first; seed < first + count; seed++) {
  const { facts, verdict, complaints } = await simulate(seed);
  for (const [name, figure] of Object.entries(verdict.figures)) totals[name] = (totals[name] ?? 0) + figure;
  if (values.facts) for (const [index, fact] of facts.entries()) console.log(`#${index} ${JSON.stringify(fact)}`);
  if (verdict.violations.length === 0 && complaints.length === 0) continue;
  failed++;
  console.log(`\nseed ${seed} (again: npm run simulate -- --first ${seed} --seeds 1 --facts)`);
  console.log(describeVerdict(verdict));
  for (const complaint of complaints) console.log(`complaint: ${complaint}`);
}
const minutes = (performance.now() - startMs) / 60_000;
const figures = Object.entries(totals).map(([name, total]) => `${name} ${total}`);
console.log(`${count} seeds from ${first}, ${failed} with violations; ${Math.round(count / minutes)} seeds a minute`);
console.log(figures.join(', '));
process.exitCode = failed === 0 ? 0 : 1;
