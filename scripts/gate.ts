// The whole gate. Every step and example counts one, every unit test counts one. Steps that do not need each other run at the
// same time, as most of them wait now and then; the first failed step ends the run.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { verifiableExamples, verifyExample } from './lib/examples.ts';
import { readJson, root, workspaceFolders } from './lib/files.ts';
import { run, stopAll, tool } from './lib/run.ts';
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

/** From nothing, so that the output of a deleted source file is neither used nor packed. */
async function build(): Promise<StepResult> {
  const outputs = workspaceFolders('packages').map((folder) => join(folder, 'dist'));
  await Promise.all(outputs.map((folder) => rm(folder, { recursive: true, force: true })));
  return await counted(run(tool('tsc'), ['-b']));
}

/** What the gate has built: many processes start, and need not be compiled each time. */
async function faults(): Promise<StepResult> {
  return await counted(run(process.execPath, [join(root, 'packages/conformance/dist/faults/main.js'), '--ci']));
}

const examples: Step[] = (await verifiableExamples()).map((example) => ({
  name: `example ${example.name}`,
  execute: async () => await counted(verifyExample(example)),
}));

/** Groups follow each other. The lanes of a group run at the same time, the steps of a lane one after the other. */
const groups: readonly (readonly Step[])[][] = [
  [[{ name: 'build', execute: build }]],
  [
    [npmStep('check:lint'), npmStep('check:format'), npmStep('requirements', '--brief')],
    [npmStep('check:types'), npmStep('check:unused')],
  ],
  [
    [{ name: 'test:unit', execute: unitTests }],
    [{ name: 'faults', execute: faults }, ...examples, npmStep('docs'), npmStep('packages', '--built')],
  ],
];

const total: Tally = { passed: 0, failed: 0 };
/** The first one; what the others were doing then is not counted, as it is ended. */
const failures: { readonly name: string; readonly output: string }[] = [];

async function runLane(lane: readonly Step[]): Promise<void> {
  for (const { name, execute } of lane) {
    if (failures.length > 0) return;
    const stepStartMs = performance.now();
    const { passed, failed, output } = await execute();
    if (failures.length > 0) return;
    total.passed += passed;
    total.failed += failed;
    const seconds = ((performance.now() - stepStartMs) / 1000).toFixed(1).padStart(6);
    const count = passed + failed > 1 ? `   ${formatTally({ passed, failed })}` : '';
    console.log(`${name.padEnd(24)} ${failed === 0 ? 'ok  ' : 'FAIL'} ${seconds} s${count}`);
    if (failed > 0) {
      failures.push({ name, output });
      stopAll();
    }
  }
}

const startMs = performance.now();
for (const lanes of groups) await Promise.all(lanes.map(runLane));
for (const { name, output } of failures) {
  console.log(`\n${output.trimEnd()}\n\nStopped at ${name}.`);
  process.exitCode = 1;
}
console.log(`\n${((performance.now() - startMs) / 1000).toFixed(0)} s in all`);
console.log(formatTally(total));
