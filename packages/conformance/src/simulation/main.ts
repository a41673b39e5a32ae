import { runCommand } from '../commandLine.ts';
import { describeExamined, describeVerdict, sumExamined } from '../history/verdict.ts';
import type { Verdict } from '../history/verdict.ts';
import { readOptions, USAGE } from './options.ts';
import type { SimulationOptions, World } from './options.ts';
import { simulate } from './simulate.ts';
import { simulateClients } from './simulateClients.ts';

const RUNS = { foreign: simulate, clients: simulateClients } as const;

/** Between two lines of progress: half a minute or so of one world. */
const SEEDS_PER_PROGRESS = 100;

async function run({ first, count, worlds, facts: showsFacts, stopAtFirst }: SimulationOptions): Promise<number> {
  const startMs = performance.now();
  const examined: Record<World, Verdict['examined'][]> = { foreign: [], clients: [] };
  const totals: Record<string, number> = {};
  const faultTotals: Record<string, number> = {};
  let failed = 0;
  let run = 0;
  for (let seed = first; seed < first + count && !(stopAtFirst && failed > 0); seed++) {
    run++;
    for (const world of worlds) {
      const { facts, verdict, complaints, faults } = await RUNS[world](seed).catch((error: unknown) => {
        throw new Error(`seed ${seed} of the world ${world} ended with an error`, { cause: error });
      });
      examined[world].push(verdict.examined);
      for (const [name, figure] of Object.entries(verdict.figures)) totals[name] = (totals[name] ?? 0) + figure;
      for (const [name, count] of Object.entries(faults)) faultTotals[name] = (faultTotals[name] ?? 0) + count;
      if (showsFacts) for (const [index, fact] of facts.entries()) console.log(`#${index} ${JSON.stringify(fact)}`);
      if (verdict.violations.length === 0 && complaints.length === 0) continue;
      failed++;
      console.log(`\nseed ${seed} (again: npm run simulate -- --world ${world} --first ${seed} --seeds 1 --facts)`);
      console.log(describeVerdict(verdict));
      for (const complaint of complaints) console.log(`complaint: ${complaint}`);
    }
    if (run % SEEDS_PER_PROGRESS === 0) console.error(`${run} of ${count} seeds, ${failed} with violations`);
  }
  const perMinute = Math.round((run * 60_000) / (performance.now() - startMs));
  console.log(`${run} seeds from ${first}, ${failed} with violations; ${perMinute} seeds a minute`);
  for (const figures of [totals, faultTotals]) {
    const told = Object.entries(figures).map(([name, total]) => `${name} ${total}`);
    console.log(told.join(', '));
  }
  for (const world of worlds) console.log(`${world}: ${describeExamined(sumExamined(examined[world]))}`);
  return failed === 0 ? 0 : 1;
}

await runCommand(USAGE, readOptions, run);
