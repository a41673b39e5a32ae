import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../lib/files.ts';
import { mutated, readMutants, tableRows } from '../lib/mutant.ts';
import type { Mutant } from '../lib/mutant.ts';
import { pageOf, problemsOf, scoresOf } from '../lib/mutantReport.ts';

const one: Mutant = { id: 'one', what: 'a is b', guarantee: 'G2', edits: [{ file: 'a.ts', find: 'a', replace: 'b' }] };
const two: Mutant = { ...one, id: 'two', guarantee: 'SUB-01' };
const found = { found: true, by: 'seed 1' };
const missed = { found: false, by: '' };

describe('the kept mutants', async () => {
  const mutants = await readMutants();

  it('have their places in the sources', async () => {
    const lost: string[] = [];
    for (const mutant of mutants) await mutated(mutant).catch((error: Error) => lost.push(error.message));
    expect(lost).toEqual([]);
  });

  it('break every guarantee', () => {
    const broken = new Set(mutants.map(({ guarantee }) => guarantee));
    expect(['G1', 'G2', 'G3', 'G4', 'G5', 'G6'].filter((guarantee) => !broken.has(guarantee))).toEqual([]);
  });

  it('break every row of the tables of the guarantees, and no row that is not there', async () => {
    const rows = tableRows(await readFile(join(root, 'docs', 'guarantees.md'), 'utf8'));
    const broken = mutants.flatMap(({ row }) => (row === undefined ? [] : [row]));
    expect(rows.filter((row) => !broken.includes(row))).toEqual([]);
    expect(broken.filter((row) => !rows.includes(row))).toEqual([]);
  });
});

describe('a list of mutants', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mcp-events-mutants-'));
  });
  afterAll(async () => await rm(folder, { recursive: true }));

  it.each([
    ['no list', {}, 'is no list'],
    ['no id', [{ ...one, id: '' }], 'entry 1: a mutant has an id'],
    ['an unknown guarantee', [{ ...one, guarantee: 'G7' }], '(one): the guarantee is G1 to G6'],
    ['no edit', [{ ...one, edits: [] }], 'each edit names a file'],
    ['an edit that changes nothing', [{ ...one, edits: [{ file: 'a', find: 'a', replace: 'a' }] }], 'each edit names'],
    ['tests that are no paths', [{ ...one, tests: [1] }], 'tests are paths'],
    ['one id twice', [one, one], 'one stands twice'],
  ])('with %s is refused', async (_, content, message) => {
    await writeFile(join(folder, 'list.json'), JSON.stringify(content));
    await expect(readMutants(folder)).rejects.toThrow(message);
  });

  it('is planted text by text, which stands once each', async () => {
    await writeFile(join(folder, 'a.ts'), 'let a = $1;');
    const edits = [
      { file: 'a.ts', find: '$1', replace: '$&2' },
      { file: 'a.ts', find: 'let', replace: 'const' },
    ];
    expect([...(await mutated({ ...one, edits }, folder))]).toEqual([['a.ts', 'const a = $&2;']]);
    await writeFile(join(folder, 'a.ts'), 'a a');
    await expect(mutated(one, folder)).rejects.toThrow('stands 2 times in a.ts');
    await expect(mutated({ ...one, edits: [{ file: 'b.ts', find: 'a', replace: '' }] }, folder)).rejects.toThrow(
      'b.ts',
    );
  });
});

describe('the results', () => {
  it.each([
    ['found by all', { one: { unit: found, simulation: found } }, []],
    ['not found', { two: { unit: missed } }, ['two lives: a is b']],
    ['found by the unit tests alone, and no guarantee', { two: { unit: found, simulation: missed } }, []],
    [
      'a guarantee that the simulation does not see broken',
      { one: { unit: found, simulation: missed } },
      ['one breaks G2 and lives in the simulation: a is b'],
    ],
    [
      'one that could not be judged',
      { two: { unit: { found: false, by: 'no test ran', broken: true as const }, simulation: found } },
      ['two could not be judged by unit: no test ran'],
    ],
  ])('%s', (_, results, problems) => {
    expect(problemsOf([one, two], results)).toEqual(problems);
  });

  it('are scores and a page', () => {
    const results = { one: { unit: found, simulation: missed }, two: { unit: found } };
    expect(scoresOf([one, two], results)).toEqual([
      'unit: 2 of 2; of those that break a guarantee 1 of 1',
      'simulation: 0 of 1; of those that break a guarantee 0 of 1',
    ]);
    expect(pageOf([one, two], results, 'How.')).toContain('| one | G2 | a is b | found | - |  |');
  });
});

it('the rows of tables are read without their heads', () => {
  expect(tableRows('a\n\n| head | x |\n| --- | --- |\n| one | 1 |\n| two | 2 |\n\nb')).toEqual(['one', 'two']);
});
