import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseOptions, runCommand } from '../packages/conformance/src/commandLine.ts';
import { filesBelow, readJson, root, shown, workspaceFolders } from './lib/files.ts';
import { collectCitations, compareCoverage, parseCatalogue } from './lib/requirementCoverage.ts';
import type { AreaCoverage, Coverage, Gap } from './lib/requirementCoverage.ts';

const LOCK = join(root, 'docs', 'requirements.lock.json');
const GAPS = join(root, 'docs', 'requirements-gaps.json');

const USAGE = `Usage: npm run requirements -- [options]

Reports which requirements have a test.

  --update     add newly covered ones to the lock
  --brief      one line per area
  --help

Exit status: 0 all is well, 1 a locked requirement has no test or a gap needs another look, 2 unusable options.`;

interface Options {
  readonly update: boolean;
  readonly brief: boolean;
  readonly help: boolean;
}

function readOptions(args: readonly string[]): Options {
  const flag = { type: 'boolean', default: false } as const;
  return parseOptions(args, { update: flag, brief: flag, help: flag });
}

async function readCitingFiles(): Promise<[path: string, source: string][]> {
  const folders = [...workspaceFolders('packages'), ...workspaceFolders('examples')];
  const tests = folders.flatMap((folder) =>
    filesBelow(join(folder, 'test')).filter((path) => path.endsWith('.test.ts')),
  );
  const verifications = folders.map((folder) => join(folder, 'src', 'verify.ts')).filter((path) => existsSync(path));
  return await Promise.all(
    [...tests, ...verifications].map(async (path): Promise<[string, string]> => [
      shown(path),
      await readFile(path, 'utf8'),
    ]),
  );
}

function printArea({ area, covered, total, unexplained, explained }: AreaCoverage, brief: boolean): void {
  const parts = [`${area.padEnd(8)} ${String(covered).padStart(3)} / ${String(total).padStart(3)}`];
  if (explained.length > 0) parts.push(`${explained.length} left out`);
  if (unexplained.length > 0) parts.push(`${unexplained.length} open`);
  console.log(parts.join('   '));
  if (brief) return;
  for (const { id, level, role } of unexplained)
    console.log(`    open      ${id.padEnd(12)} ${level.padEnd(6)} ${role}`);
  const byReason = new Map<string, string[]>();
  for (const { requirement, reason } of explained) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), requirement.id]);
  }
  for (const [reason, ids] of byReason) console.log(`    left out  ${ids.join(' ')}: ${reason}`);
}

function print({ areas, covered, unlocked, problems }: Coverage, { update, brief }: Options): void {
  for (const area of areas) printArea(area, brief);
  const total = areas.reduce((sum, area) => sum + area.total, 0);
  const explained = areas.reduce((sum, area) => sum + area.explained.length, 0);
  const open = total - covered.length - explained;
  console.log(
    `\n${covered.length} of ${total} requirements have a test, ${explained} are left out on purpose, ${open} are open.`,
  );
  if (unlocked.length > 0 && !update) {
    console.log(`${unlocked.length} are newly covered; lock them with: npm run requirements -- --update`);
  }
  for (const problem of problems) console.error(`error: ${problem}`);
}

await runCommand(USAGE, readOptions, async (options) => {
  const coverage = compareCoverage(
    parseCatalogue(await readFile(join(root, 'docs', 'requirements.md'), 'utf8')),
    collectCitations(await readCitingFiles()),
    await readJson<string[]>(LOCK),
    await readJson<Gap[]>(GAPS),
  );
  print(coverage, options);
  if (coverage.problems.length > 0) return 1;
  if (options.update && coverage.unlocked.length > 0) {
    await writeFile(LOCK, `${JSON.stringify(coverage.covered, undefined, 2)}\n`);
    console.log(`Locked ${coverage.unlocked.length} more: ${coverage.unlocked.join(' ')}`);
  }
  return 0;
});
