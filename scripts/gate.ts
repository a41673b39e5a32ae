// The whole gate. Every step and example counts one, every unit test counts one; the first failed step ends the run.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { verifiableExamples, verifyExample } from './lib/examples.ts';
import { readJson } from './lib/files.ts';
import { run, tool } from './lib/run.ts';
import { formatTally, tallyOfReport } from './lib/tally.ts';
import type { RunResult } from './lib/run.ts';
import type { Tally, TestReport } from './lib/tally.ts';

interface Step {
  name: string;
  execute: () => Promise<StepResult>;
}

interface StepResult extends Tally {
  output: string;
}

async function counted(result: Promise<RunResult>): Promise<StepResult> {
  const { ok, output } = await result;
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, output };
}

function npmStep(script: string, ...args: string[]): Step {
  const forwarded = args.length > 0 ? ['--', ...args] : [];
  return { name: script, execute: async () => await counted(run('npm', ['run', '--silent', script, ...forwarded])) };
}

/** Far above what they take: only ends what hangs, and a busy machine is no fault of theirs. */
const UNIT_LIMIT_MS = 1_200_000;

async function unitTests(): Promise<StepResult> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-events-report-'));
  try {
    const path = join(folder, 'report.json');
    const reporters = ['--reporter=dot', '--reporter=json', `--outputFile=${path}`];
    const { ok, output } = await run(tool('vitest'), ['run', ...reporters], { timeoutMs: UNIT_LIMIT_MS });
    if (!existsSync(path)) return { passed: 0, failed: 1, output };
    const report = await readJson<TestReport>(path);
    // vitest also fails for reasons outside its report, such as an unhandled rejection.
    return { ...tallyOfReport({ ...report, success: ok && report.success }), output };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const steps: Step[] = [
  npmStep('build'),
  npmStep('check:format'),
  npmStep('check:lint'),
  npmStep('check:types'),
  npmStep('check:unused'),
  npmStep('docs'),
  { name: 'test:unit', execute: unitTests },
  ...(await verifiableExamples()).map((example) => ({
    name: `example ${example.name}`,
    execute: async () => await counted(verifyExample(example)),
  })),
  npmStep('faults', '--ci'),
  npmStep('packages'),
  npmStep('requirements', '--brief'),
];

const total: Tally = { passed: 0, failed: 0 };
const startMs = performance.now();
for (const { name, execute } of steps) {
  const stepStartMs = performance.now();
  process.stdout.write(`${name.padEnd(24)} `);
  const { passed, failed, output } = await execute();
  total.passed += passed;
  total.failed += failed;
  const seconds = ((performance.now() - stepStartMs) / 1000).toFixed(1).padStart(6);
  const count = passed + failed > 1 ? `   ${formatTally({ passed, failed })}` : '';
  console.log(`${failed === 0 ? 'ok  ' : 'FAIL'} ${seconds} s${count}`);
  if (failed > 0) {
    console.log(`\n${output.trimEnd()}\n\nStopped at ${name}.`);
    process.exitCode = 1;
    break;
  }
}
console.log(`\n${((performance.now() - startMs) / 1000).toFixed(0)} s in all`);
console.log(formatTally(total));
