import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeVerdict } from '../history/verdict.ts';
import { runFaults } from './run.ts';
import { describeFault, scheduleOf } from './schedule.ts';
import { settingsOf } from './settings.ts';

const seed = Number(process.argv[2] ?? 1);
const durationMs = Number(process.argv[3] ?? 20) * 1000;
const folder = mkdtempSync(join(tmpdir(), 'mcp-faults-'));
const schedule = scheduleOf(seed, durationMs);
for (const s of schedule) console.log(describeFault(s));
const settings = settingsOf(seed);
console.log(JSON.stringify(settings), folder);
const abort = new AbortController();
process.once('SIGINT', () => abort.abort());
const result = await runFaults({ folder, settings, schedule, durationMs, signal: abort.signal });
if (result) {
  console.log(describeVerdict(result.verdict).slice(0, 5000));
  for (const c of result.complaints.slice(0, 20)) console.log('complaint', c);
  console.log(result.injected, result.settledMs, result.diskRefusal, result.facts.length);
}
