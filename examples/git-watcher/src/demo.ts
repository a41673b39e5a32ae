import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '@mcp-events/server';
import { Command, InvalidArgumentError } from 'commander';
import { describeReport, timeline } from './demo/output.ts';
import { MIN_COMMITS, Scenario } from './demo/scenario.ts';
import { ScratchRepository } from './demo/scratchRepository.ts';
import { Waiting } from './demo/waiting.ts';
import { openRepository } from './git/repository.ts';
import { serveRepository } from './server.ts';

interface Options {
  repo?: string;
  serve?: boolean;
  port: number;
  storage?: string;
  commits: number;
  json?: string;
}

/** The story takes about ten seconds; the rest is for machines that are busy with something else. */
const deadlineMs = (commits: number): number => 90_000 + commits * 500;

const command = new Command('npm run demo --')
  .description(
    'Shows a git repository as MCP events: commits reach three subscribers, while one of them and the server are killed',
  )
  .option('--repo <path>', 'use a clone of this repository, or serve it; it is only read', (path) => resolve(path))
  .option('--serve', 'keep a server running instead, to connect to')
  .option('--port <number>', 'where to serve; by default any free port', integerFrom(0, 65_535), 0)
  .option('--storage <file>', 'with --serve --repo: keeps events; by default beside the repository')
  .option('--commits <number>', 'commits to make', integerFrom(MIN_COMMITS), 40)
  .option('--json <file>', 'also write the result to this file')
  .parse();
const options = command.opts<Options>();

class Interrupted extends Error {}

const folder = await mkdtemp(join(tmpdir(), 'mcp-events-demo-'));
let isWorthKeeping = false;
try {
  if (options.repo !== undefined) {
    const repository = await needed('--repo needs the folder of a git repository', openRepository(options.repo));
    options.repo = repository.path;
  }
  if (options.serve === true) await serve(options);
  else await tellStory(options);
} catch (error) {
  console.error(`\nFailed: ${(error as Error).message}`);
  process.exitCode = 1;
  isWorthKeeping &&= !(error instanceof Interrupted);
}
if (isWorthKeeping) console.error(`\nRepository, journals and logs are kept in ${folder}`);
else await rm(folder, { recursive: true, force: true, maxRetries: 3 });

async function tellStory({ repo, commits, json }: Options): Promise<void> {
  if (json !== undefined) await needed('--json needs a file to write, in a folder there is', appendFile(json, ''));
  const waiting = new Waiting(systemClock, deadlineMs(commits));
  const onInterrupt = (): void => waiting.fail(new Interrupted('interrupted'));
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  console.log('A git repository as MCP events: one server, three subscribers, each in a process of its own.\n');
  const tell = timeline((line) => console.log(line));
  try {
    const scenario = await Scenario.create({ folder, source: repo, commits, waiting, tell });
    // Until it ends well: from here on there is something to look at.
    isWorthKeeping = true;
    const report = await scenario.run();
    isWorthKeeping = report.problems.length > 0;
    console.log(`\n${describeReport(report, process.stdout.isTTY && !process.env['NO_COLOR'])}`);
    if (json !== undefined) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`);
    if (isWorthKeeping) process.exitCode = 1;
  } finally {
    waiting.end();
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

async function serve({ repo, port, storage }: Options): Promise<void> {
  let path = repo;
  if (path === undefined) {
    const scratch = await ScratchRepository.create(join(folder, 'repository'));
    await scratch.commit('First commit');
    path = scratch.path;
  }
  const server = await serveRepository(path, { port, storageFile: storage });
  const interrupted = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve());
  });
  console.log(`Serving ${path}${repo === undefined ? ', which goes away with this server' : ', which is only read'}

  ${server.url}    MCP over Streamable HTTP, protocol version 2026-07-28
  ${server.storageFile}    events of the last two weeks, and where they go on after a restart

Events: git.commit (arguments branch, author, path) and git.ref.updated (arguments ref, kind).
To receive them, in another terminal at the top of this project:

  npm run --silent subscribe -w examples/git-watcher -- --url ${server.url}

${repo === undefined ? 'Then make a commit, in a third one:' : 'Then commit as usual, or make a branch:'}

  git -C ${path} ${repo === undefined ? "commit --allow-empty -m 'Hello'" : 'branch demo-release'}

Stop with Ctrl+C.`);
  await interrupted;
  await server.close();
}

/** What would fail much later, or in the words of somebody else. */
async function needed<T>(need: string, attempt: Promise<T>): Promise<T> {
  try {
    return await attempt;
  } catch (error) {
    throw new Error(`${need} (${(error as Error).message})`, { cause: error });
  }
}

function integerFrom(least: number, most = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    const bounds = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
    throw new InvalidArgumentError(`It must be an integer ${bounds}.`);
  };
}
