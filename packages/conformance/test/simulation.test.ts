import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { UsageError } from '../src/commandLine.ts';
import { describeVerdict, idleKinds, sumExamined } from '../src/history/verdict.ts';
import type { Verdict } from '../src/history/verdict.ts';
import { COMPOSITION } from '../src/simulation/compositionTable.ts';
import { readOptions } from '../src/simulation/options.ts';
import { simulate } from '../src/simulation/simulate.ts';
import { simulateClients } from '../src/simulation/simulateClients.ts';
import { comesOfFault, SimulatedFault } from '../src/simulation/simulatedFault.ts';

// Much is computed here, and other tests compute beside it.
vi.setConfig({ testTimeout: 120_000 });

/** Of applications, each of which has most kinds of faults. */
const SEEDS = [1, 2, 4, 5, 6, 7, 30];

/** What schedules have in them beside what the history tells. */
const KINDS_OF_FAULTS = [
  'author: edits',
  'author: edits later',
  'author: keeps',
  'author: nonsense',
  'author: reports a loss',
  'author: says again',
  'author: throws',
  'called back: emit',
  'called back: look',
  'called back: lose',
  'called back: terminate',
  'composition: acknowledged and stored',
  'composition: age',
  'composition: crash behind a refusal',
  'composition: crowd',
  'composition: long log',
  'composition: loss without replay',
  'composition: one event refused',
  'composition: order on the wire',
  'composition: refusal behind a crash',
  'composition: stream not read',
  'logger: throws',
  'machine: late timer',
  'machine: no connection',
  'meter: throws',
  'onError: throws',
  'outbox: transaction left open',
  'outbox: type withdrawn',
  'peers: anonymous',
  'peers: final',
  'peers: sketch',
  'sqlite: files replaced',
  'sqlite: killed before an answer',
  'sqlite: write fails',
  'storage: event damaged',
  'storage: gone with the process',
  'storage: restored',
  'storage: subscription damaged',
  'terminated: for good',
  'terminated: in use',
  'terminated: while it starts',
  'tracer: throws',
];

/** The same, of applications. */
const KINDS_OF_CLIENT_FAULTS = [
  'applications: killed while its database is used',
  'requests: blocked by drop',
  'requests: blocked by error',
  'requests: unreadable event',
  'webhooks: killed before a gap is told',
  'webhooks: untrue watermark',
];

/** What shows that an option of the server is composed. */
function countedOptions(): string[] {
  return Object.values(COMPOSITION).flatMap((options) =>
    Object.values(options).flatMap((composed) =>
      typeof composed === 'object' && 'counted' in composed ? [composed.counted] : [],
    ),
  );
}

/** What is wrong with the run of a seed, as text; empty if nothing is. */
async function findings(seed: number): Promise<string> {
  const { verdict, complaints } = await simulate(seed, { isComplete: false });
  return verdict.violations.length === 0 ? complaints.join('\n') : `seed ${seed}: ${describeVerdict(verdict)}`;
}

describe('simulation', () => {
  it('gives the same facts for the same seed, and others for another', async () => {
    const [first, again, other] = [await simulate(4), await simulate(4), await simulate(5)];
    expect(again.facts).toEqual(first.facts);
    expect(other.facts).not.toEqual(first.facts);
    expect(first.verdict.figures.handed).toBeGreaterThan(0);
  });

  it('G1 G2 G3 G4 hold in these schedules, which have everything in them that the server has to survive', async () => {
    let [handed, kills, gaps] = [0, 0, 0];
    const examined: Verdict['examined'][] = [];
    const found: string[] = [];
    const faults = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const { verdict, complaints, faults: counts } = await simulate(seed);
      for (const kind of Object.keys(counts)) faults.add(kind);
      handed += verdict.figures.handed;
      kills += verdict.figures.kills;
      gaps += verdict.figures.gaps;
      examined.push(verdict.examined);
      if (verdict.violations.length > 0) found.push(`seed ${seed}: ${describeVerdict(verdict)}`);
      found.push(...complaints);
    }
    expect(found).toEqual([]);
    expect([handed > 400, kills > 80, gaps > 20]).toEqual([true, true, true]);
    expect([...KINDS_OF_FAULTS, ...countedOptions()].filter((kind) => !faults.has(kind))).toEqual([]);
    // Clients written for this world keep their positions themselves.
    expect(idleKinds(sumExamined(examined))).toEqual(['position']);
  });

  // Each of them shows the mistake if it is made again, which was tried, in the schedules of that time.
  it.each([
    ['a cursor passed an event that was given up before its gap was told', 8],
    ['a cursor passed a gap that no envelope could tell', 35],
    ['a cursor passed a gap that was owed from before a restart', 90],
    ['room at a host was left unused after a subscription had ended', 127],
    ['an event that waited was repeated at another place after a restart', 50_352],
    ['the end of a subscription was answered before it was stored', 64],
    ['a suspended subscription that was coming back was stored without its position', 6_476],
  ])('seed of a mistake: %s', async (_mistake, seed) => {
    expect(await findings(seed)).toBe('');
  });
});

describe('simulation of applications', () => {
  it('gives the same facts for the same seed, and others for another', async () => {
    const [first, again, other] = [await simulateClients(4), await simulateClients(4), await simulateClients(5)];
    expect(again.facts).toEqual(first.facts);
    expect(other.facts).not.toEqual(first.facts);
  });

  it('G1 G2 G3 G4 G5 hold in these schedules, which have everything in them that client and server have to survive', async () => {
    let [handed, kills] = [0, 0];
    const examined: Verdict['examined'][] = [];
    const found: string[] = [];
    const faults = new Set<string>();
    for (const seed of SEEDS) {
      const { verdict, complaints, faults: counts } = await simulateClients(seed);
      for (const kind of Object.keys(counts)) faults.add(kind);
      handed += verdict.figures.handed;
      kills += verdict.figures.kills;
      examined.push(verdict.examined);
      if (verdict.violations.length > 0) found.push(`seed ${seed}: ${describeVerdict(verdict)}`);
      found.push(...complaints);
    }
    expect(found).toEqual([]);
    expect([handed > 300, kills > 12]).toEqual([true, true]);
    expect(KINDS_OF_CLIENT_FAULTS.filter((kind) => !faults.has(kind))).toEqual([]);
    // An application does not see what its client is granted.
    expect(idleKinds(sumExamined(examined))).toEqual(['grant']);
  });
});

it('ends quietly when nobody reads its output any more', async () => {
  const main = fileURLToPath(new URL('../src/simulation/main.ts', import.meta.url));
  const command = ['--conditions=@mcp-events/source', '--import', 'tsx', main];
  const child = spawn(process.execPath, [...command, '--first', '127', '--seeds', '1', '--facts']);
  child.stdout.destroy();
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
  expect(await once(child, 'close')).toEqual([141, null]);
  expect(told).toBe('');
});

it('knows what its faults bring about by what it is, and anything else by what it is not', () => {
  const fault = new SimulatedFault('the simulated upstream failed');
  const told = new Error('in other words', { cause: new Error('and again', { cause: fault }) });
  expect([fault, told].map(comesOfFault)).toEqual([true, true]);
  const others = [new Error(fault.message), new Error('another', { cause: 'text' }), fault.message, undefined];
  expect(others.map(comesOfFault)).toEqual([false, false, false, false]);
});

describe('the options of the simulation', () => {
  it('are read, with defaults', () => {
    expect(readOptions([])).toEqual({
      first: 1,
      count: 1_000,
      worlds: ['foreign', 'clients'],
      facts: false,
      stopAtFirst: false,
      help: false,
    });
    expect(readOptions(['--world', 'clients']).worlds).toEqual(['clients']);
    expect(readOptions(['--first', '7', '--seeds', '2', '--facts'])).toMatchObject({ first: 7, count: 2, facts: true });
  });

  it.each([
    [['--seeds', 'many']],
    [['--first', '-1']],
    [['--seeds', '']],
    [['--seeds', '0']],
    [['--first', '1.5']],
    [['--sedes', '1']],
    [['--world', 'none']],
  ])('%j are refused', (args) => {
    expect(() => readOptions(args)).toThrow(UsageError);
  });
});
