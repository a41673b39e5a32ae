import { parseArgs } from 'node:util';
import { acknowledgement } from './figures/acknowledgement.ts';
import { catchUp } from './figures/catchUp.ts';
import { durableEmit } from './figures/durableEmit.ts';
import { durableFanOut } from './figures/durableFanOut.ts';
import { growth } from './figures/growth.ts';
import { isolation } from './figures/isolation.ts';
import { match } from './figures/match.ts';
import { memory } from './figures/memory.ts';
import { ordered } from './figures/ordered.ts';
import { poll } from './figures/poll.ts';
import { push } from './figures/push.ts';
import { restart } from './figures/restart.ts';
import { stalled } from './figures/stalled.ts';
import { webhook } from './figures/webhook.ts';
import type { Figure, RunOptions } from './harness/figure.ts';
import { printTable, resultsPath, writeResults } from './harness/report.ts';

const USAGE = `npm run bench -- [options]
  --only <name>    one of push, stalled, poll, webhook, ordered, isolation, acknowledgement, match, memory,
                   durable-emit, durable-fan-out, restart, catch-up, growth; may be repeated
  --rounds <n>     measured rounds per figure, default 5
  --quick          a tenth of the work
  --profile        CPU profiles of the servers into bench/results`;

const benchmarks = [
  push,
  stalled,
  poll,
  webhook,
  ordered,
  isolation,
  acknowledgement,
  match,
  memory,
  durableEmit,
  durableFanOut,
  restart,
  catchUp,
  growth,
];

const config = {
  only: { type: 'string', multiple: true },
  rounds: { type: 'string', default: '5' },
  quick: { type: 'boolean', default: false },
  profile: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

function readOptions(): ReturnType<typeof parseArgs<{ options: typeof config }>>['values'] {
  try {
    return parseArgs({ options: config }).values;
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function refuse(problem: string): never {
  console.error(`${problem}\n\n${USAGE}`);
  process.exit(2);
}

const values = readOptions();
if (values.help) {
  console.log(USAGE);
  process.exit();
}
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) refuse(`--rounds is a whole number above 0, not "${values.rounds}"`);
const unknown = values.only?.find((name) => !benchmarks.some((benchmark) => benchmark.name === name));
if (unknown !== undefined) refuse(`--only takes the name of a benchmark, not "${unknown}"`);

const options: RunOptions = {
  rounds,
  quick: values.quick,
  nodeOptions: values.profile ? ['--cpu-prof', `--cpu-prof-dir=${resultsPath}`] : [],
};
const figures: Figure[] = [];
for (const benchmark of benchmarks) {
  if (values.only?.includes(benchmark.name) === false) continue;
  const measured = await benchmark.run(options);
  printTable(measured);
  figures.push(...measured);
}
writeResults(figures, options);
