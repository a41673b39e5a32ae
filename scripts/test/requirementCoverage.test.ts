import { describe, expect, it } from 'vitest';
import { citedIds, collectCitations, compareCoverage, parseCatalogue } from '../lib/requirementCoverage.ts';
import type { Gap } from '../lib/requirementCoverage.ts';

const CATALOGUE = `
Polls are described by POLL-01.

ID | Level | Role | Requirement | How a test can observe it
---|---|---|---|---
POLL-01 | MUST | server | Answers. | Poll.
POLL-02 | SHOULD | client | Waits. {S2} | Wait.
PUSH-01 | MUST | server, client | Streams. | Stream.

- **OP-03 Poll for a type without replay.** Refuse.
`;

describe('parseCatalogue', () => {
  it('reads rows and open points, not prose', () => {
    const { requirements, openPoints } = parseCatalogue(CATALOGUE);
    expect([...requirements.values()]).toEqual([
      { id: 'POLL-01', area: 'POLL', level: 'MUST', role: 'server' },
      { id: 'POLL-02', area: 'POLL', level: 'SHOULD', role: 'client' },
      { id: 'PUSH-01', area: 'PUSH', level: 'MUST', role: 'server, client' },
    ]);
    expect([...openPoints]).toEqual(['OP-03']);
  });

  it('refuses an id that is defined twice', () => {
    expect(() => parseCatalogue(`${CATALOGUE}POLL-01 | MAY | server | Again. | Again.\n`)).toThrow('POLL-01 twice');
  });
});

describe('citedIds', () => {
  it.each([
    ['one id', "it('POLL-01 answers', f)", ['POLL-01']],
    ['several ids', "it('POLL-01 POLL-02, PUSH-01 answers', f)", ['POLL-01', 'POLL-02', 'PUSH-01']],
    ['a template title', 'it(`POLL-01 answers ${n}`, f)', ['POLL-01']],
    ['a describe title', 'describe("PUSH-01 streams", f)', ['PUSH-01']],
    ['titles in a table', "it.each([['POLL-02 waits', 1]])('%s', f)", ['POLL-02']],
    ['an id in the middle of a title', "it('answers as POLL-01 says', f)", []],
    ['an id in a comment', '// POLL-01 decides this', []],
    ['other hyphenated names', "digest('SHA-256 of x'); it('ISO-8601 dates', f)", []],
  ])('%s', (_, source, ids) => {
    expect(citedIds(source)).toEqual(ids);
  });
});

describe('compareCoverage', () => {
  const catalogue = parseCatalogue(CATALOGUE);

  function compare(titles: string[], lock: string[] = [], gaps: Gap[] = []) {
    const source = titles.map((title) => `it('${title}', f)`).join('\n');
    return compareCoverage(catalogue, collectCitations([['a.test.ts', source]]), lock, gaps);
  }

  it('counts per area and names what is open or left out', () => {
    const { areas, covered, unlocked, problems } = compare(['PUSH-01 a'], [], [{ reason: 'later', ids: ['POLL-02'] }]);
    expect(areas.map(({ area, covered: count, total }) => [area, count, total])).toEqual([
      ['POLL', 0, 2],
      ['PUSH', 1, 1],
    ]);
    expect(areas[0]?.unexplained.map(({ id }) => id)).toEqual(['POLL-01']);
    expect(areas[0]?.explained.map(({ requirement, reason }) => [requirement.id, reason])).toEqual([
      ['POLL-02', 'later'],
    ]);
    expect([covered, unlocked, problems]).toEqual([['PUSH-01'], ['PUSH-01'], []]);
  });

  it('accepts an open point as a citation without counting it', () => {
    expect(compare(['OP-03 refuses'])).toMatchObject({ covered: [], problems: [] });
  });

  it('does not report a locked id as newly covered', () => {
    expect(compare(['POLL-01 a', 'POLL-02 b'], ['POLL-01']).unlocked).toEqual(['POLL-02']);
  });

  it.each<[string, string[], string[], Gap[], string]>([
    ['an unknown id in a test', ['POLL-99 a'], [], [], 'a.test.ts cites POLL-99'],
    ['a locked id without a test', [], ['POLL-01'], [], 'POLL-01 had a test and lost it'],
    ['an unknown id in the lock', [], ['POLL-99'], [], 'requirements.lock.json holds POLL-99'],
    [
      'an unknown id among the gaps',
      [],
      [],
      [{ reason: 'r', ids: ['POLL-99'] }],
      'requirements-gaps.json explains POLL-99',
    ],
    ['a gap explained twice', [], [], [{ reason: 'r', ids: ['POLL-01', 'POLL-01'] }], 'explains POLL-01 twice'],
    ['a gap that has a test', ['POLL-01 a'], [], [{ reason: 'r', ids: ['POLL-01'] }], 'POLL-01 has a test now'],
  ])('reports %s', (_, titles, lock, gaps, problem) => {
    expect(compare(titles, lock, gaps).problems).toEqual([expect.stringContaining(problem)]);
  });
});
