import { describe, expect, it } from 'vitest';
import { withoutRepetitions } from '../src/demo/journal.ts';
import type { JournalEntry } from '../src/demo/journal.ts';
import { brokenPromises, tally } from '../src/demo/tally.ts';
import type { SentCommit } from '../src/demo/tally.ts';

const sent: SentCommit[] = ['a', 'b', 'c', 'd'].map((hash, index) => ({ hash, startedAtMs: index * 100, live: true }));

/** A journal of one process after the other; `!` is a gap told. */
function journalOf(...processes: string[]): JournalEntry[] {
  let atMs = 0;
  return processes.flatMap((letters, index) =>
    [...letters.split('')].map((what): JournalEntry => {
      const common = { process: index + 1, atMs: (atMs += 100), eventType: 'git.commit' };
      return what === '!'
        ? { ...common, kind: 'gap', reason: 'truncated' }
        : { ...common, kind: 'event', eventId: what, what };
    }),
  );
}

function problemsOf(kills: number, ...processes: string[]): string[] {
  return brokenPromises('push', tally(sent, journalOf(...processes), 'git.commit'), kills);
}

describe('promises', () => {
  it('hold when everything came once and in order', () => {
    expect(problemsOf(0, 'abcd')).toEqual([]);
  });

  it('hold when the one event in hand came again after a kill', () => {
    expect(problemsOf(1, 'ab', 'bcd')).toEqual([]);
    expect(tally(sent, journalOf('ab', 'bcd'), 'git.commit')).toMatchObject({ repeatedAfterKill: 1, duplicates: 0 });
  });

  it.each([
    ['a commit is missing', 0, ['abd'], 'the push subscriber never got 1 commit'],
    ['a gap was told', 0, ['ab!cd'], 'the push subscriber was told of 1 gap'],
    ['the order was changed', 0, ['acbd'], 'the push subscriber got 1 commit out of order'],
    ['one process got a commit twice', 0, ['abbcd'], 'the push subscriber got 1 commit twice'],
    ['the second process got it twice', 1, ['ab', 'bbcd'], 'the push subscriber got 1 commit twice'],
    ['more than the one in hand came again', 1, ['abc', 'bcd'], 'the push subscriber got 2 commits again after 1 kill'],
    ['something else came', 0, ['abcdx'], 'the push subscriber got 1 event nobody caused'],
  ])('are broken when %s', (_what, kills, journal, problem) => {
    expect(problemsOf(kills, ...journal)).toEqual([problem]);
  });
});

it('leaves out what an earlier process had already, and nothing else', () => {
  const kept = withoutRepetitions(journalOf('abb', 'b!c'));
  expect(kept.map((entry) => (entry.kind === 'event' ? entry.what : '!'))).toEqual(['a', 'b', 'b', '!', 'c']);
});

describe('latency', () => {
  it('counts from the start of the commit to its first arrival, of live commits only', () => {
    const journal = journalOf('a', 'abcd');
    const early = tally(sent, journal, 'git.commit');
    // a: 100 - 0, b: 300 - 100, c: 400 - 200, d: 500 - 300
    expect([early.p50Ms, early.p99Ms]).toEqual([200, 200]);
    const onlyA = sent.map((commit) => ({ ...commit, live: commit.hash === 'a' }));
    expect(tally(onlyA, journal, 'git.commit').p99Ms).toBe(100);
    const none = sent.map((commit) => ({ ...commit, live: false }));
    expect(tally(none, journal, 'git.commit').p50Ms).toBeUndefined();
  });

  it('takes the smallest value that enough others do not exceed', () => {
    const commits = Array.from({ length: 200 }, (_, index) => ({ hash: `${index}`, startedAtMs: 0, live: true }));
    const journal = commits.map(({ hash }, index): JournalEntry => {
      return { process: 1, atMs: index + 1, eventType: 'git.commit', kind: 'event', eventId: hash, what: hash };
    });
    expect(tally(commits, journal, 'git.commit')).toMatchObject({ p50Ms: 100, p99Ms: 198 });
  });
});
