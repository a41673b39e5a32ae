import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { now, poll, pollRaw, subjects } from './kit/poll.ts';
import { TestRepository } from './kit/scratch.ts';

// Git commands take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let scratch: TestRepository;
beforeEach(async () => {
  scratch = await TestRepository.create();
});
afterEach(async () => await scratch.remove());

describe('reading on', () => {
  it('POLL-01 CUR-02 tells the commits after a cursor, also by a server that never saw it before', async () => {
    await scratch.commits('old');
    const start = await poll(scratch.path, null);
    expect(start).toMatchObject({ events: [], truncated: false, hasMore: false });
    const hashes = await scratch.commits('one', 'two');
    const answer = await poll(scratch.path, start.cursor);
    expect(answer.events.map(({ data }) => data.hash)).toEqual(hashes);
    expect(await poll(scratch.path, answer.cursor)).toMatchObject({ events: [], cursor: answer.cursor });
    // The old cursor still stands for the same place.
    expect(await poll(scratch.path, start.cursor)).toEqual(answer);
  });

  it('OCC-03 OCC-07 names a commit by branch and hash, and dates it by its committer', async () => {
    await scratch.commits('first');
    const cursor = await now(scratch.path);
    const [hash] = await scratch.commits('second');
    const [event] = (await poll(scratch.path, cursor)).events;
    const committedAt = new Date(await scratch.git('log', '-1', '--format=%cI')).toISOString();
    expect(event).toMatchObject({
      eventId: `main@${hash}`,
      timestamp: committedAt,
      data: { hash, branch: 'main', author: 'Scratch Author', subject: 'second', filesChanged: 1 },
    });
  });

  it('POLL-04 takes many commits in batches, each commit once', async () => {
    await scratch.commits('start');
    let cursor = await now(scratch.path);
    await scratch.commits('1', '2', '3', '4', '5');
    const batches: { subjects: string[]; hasMore: boolean }[] = [];
    for (let hasMore = true; hasMore;) {
      const answer = await poll(scratch.path, cursor, { maxEvents: 2 });
      ({ cursor, hasMore } = answer);
      batches.push({ subjects: subjects(answer), hasMore });
    }
    expect(batches).toEqual([
      { subjects: ['1', '2'], hasMore: true },
      { subjects: ['3', '4'], hasMore: true },
      { subjects: ['5'], hasMore: false },
    ]);
  });

  it('begins an empty repository with its first commit', async () => {
    const cursor = await now(scratch.path);
    expect(subjects(await poll(scratch.path, cursor))).toEqual([]);
    await scratch.commits('first', 'second');
    const answer = await poll(scratch.path, cursor);
    expect(subjects(answer)).toEqual(['first', 'second']);
    expect(answer.truncated).toBe(false);
  });

  it('waits for a deleted branch to come back', async () => {
    await scratch.commits('start');
    await scratch.git('branch', 'topic');
    const args = { branch: 'topic' };
    const cursor = await now(scratch.path, args);
    await scratch.commits('next');
    await scratch.git('branch', '-D', 'topic');
    expect(await poll(scratch.path, cursor, { arguments: args })).toMatchObject({
      events: [],
      cursor,
      truncated: false,
    });
    await scratch.git('branch', 'topic', 'main');
    expect(subjects(await poll(scratch.path, cursor, { arguments: args }))).toEqual(['next']);
  });

  it('ORDER-01 tells each commit once and parents first, whatever is merged while reading in batches', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('commit' as const) }),
      // Work that began `age` commits ago, of this length; whether it is the merge's first parent.
      fc.record({
        kind: fc.constant('merge' as const),
        age: fc.nat(4),
        length: fc.integer({ min: 1, max: 3 }),
        first: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('poll' as const), maxEvents: fc.integer({ min: 1, max: 3 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 12 }), async (steps) => {
        const run = await TestRepository.create();
        try {
          const parents = new Map<string, string[]>();
          const commit = async (...of: string[]): Promise<string> => {
            const hash = await run.looseCommit(`commit ${parents.size}`, of);
            parents.set(hash, of);
            return hash;
          };
          const start = await commit();
          const mainline = [start];
          const publish = async (hash: string): Promise<void> => {
            mainline.push(hash);
            await run.git('update-ref', 'refs/heads/main', hash);
          };
          await publish(start);
          let cursor = await now(run.path);
          const told: string[] = [];
          const read = async (maxEvents: number): Promise<boolean> => {
            const answer = await poll(run.path, cursor, { maxEvents });
            expect(answer.truncated).toBe(false);
            expect(answer.events.length).toBeLessThanOrEqual(maxEvents);
            told.push(...answer.events.map(({ data }) => data.hash));
            cursor = answer.cursor;
            return answer.hasMore;
          };
          for (const action of steps) {
            const tip = mainline.at(-1) ?? start;
            if (action.kind === 'poll') await read(action.maxEvents);
            else if (action.kind === 'commit') await publish(await commit(tip));
            else {
              let side = mainline.at(-1 - action.age) ?? start;
              for (let made = 0; made < action.length; made++) side = await commit(side);
              await publish(await (action.first ? commit(side, tip) : commit(tip, side)));
            }
          }
          // A stretch that was begun ends before the commits made meanwhile are looked for.
          while ((await read(100)) || (await poll(run.path, cursor)).events.length > 0);
          expect(told.toSorted()).toEqual([...parents.keys()].filter((hash) => hash !== start).toSorted());
          for (const [at, hash] of told.entries()) {
            for (const parent of parents.get(hash) ?? []) {
              if (parent !== start) expect(told.indexOf(parent)).toBeLessThan(at);
            }
          }
        } finally {
          await run.remove();
        }
      }),
      { numRuns: 6 },
    );
  });
});

describe('history that changes', () => {
  it('CUR-12 tells a gap when history was rewritten, then all commits that are new', async () => {
    await scratch.commits('base', 'wrong');
    const cursor = await now(scratch.path);
    await scratch.git('reset', '--quiet', '--hard', 'HEAD~1');
    await scratch.commits('right', 'next');
    const reset = await poll(scratch.path, cursor);
    expect(reset).toMatchObject({ events: [], truncated: true, hasMore: true });
    const answer = await poll(scratch.path, reset.cursor);
    expect(answer.truncated).toBe(false);
    expect(subjects(answer)).toEqual(['right', 'next']);
    await scratch.commits('later');
    expect(subjects(await poll(scratch.path, answer.cursor))).toEqual(['later']);
  });

  it('CUR-12 tells one gap when commits were taken back, and goes on from there', async () => {
    await scratch.commits('base', 'taken back');
    const cursor = await now(scratch.path);
    await scratch.git('reset', '--quiet', '--hard', 'HEAD~1');
    const reset = await poll(scratch.path, cursor);
    expect(reset).toMatchObject({ events: [], truncated: true });
    const quiet = await poll(scratch.path, reset.cursor);
    expect(quiet).toMatchObject({ events: [], truncated: false, hasMore: false });
    await scratch.commits('again');
    expect(subjects(await poll(scratch.path, quiet.cursor))).toEqual(['again']);
  });

  it('CUR-12 tells a gap when history is rewritten in the middle of a batch', async () => {
    await scratch.commits('base');
    const start = await now(scratch.path);
    await scratch.commits('1', '2', '3');
    const { cursor } = await poll(scratch.path, start, { maxEvents: 1 });
    await scratch.git('reset', '--quiet', '--hard', 'HEAD~2');
    await scratch.commits('two');
    const reset = await poll(scratch.path, cursor);
    expect(reset).toMatchObject({ events: [], truncated: true });
    const onward = await poll(scratch.path, reset.cursor);
    expect(onward).toMatchObject({ cursor: await now(scratch.path), truncated: false, hasMore: false });
    // Whether what was told before comes again is not promised.
    expect(subjects(onward)).toContain('two');
  });

  it.each([
    ['a commit of another repository', 'c0.0123456789012345678901234567890123456789'],
    ['a commit that is not there, on the way', `c0.root:${'1'.repeat(40)}:1`],
    ['a revision expression', 'c0.main~1'],
    ['an option', 'c0.--output=/tmp/x'],
    ['nothing of ours', 'what'],
  ])('CUR-12 starts afresh from %s', async (_what, cursor) => {
    await scratch.commits('base');
    const reset = await poll(scratch.path, cursor);
    expect(reset).toMatchObject({ events: [], truncated: true });
    // Some go on from now, some from where the cursor still makes sense; none repeats the gap.
    let next = reset;
    for (let polls = 0; next.hasMore && polls < 5; polls++) next = await poll(scratch.path, next.cursor);
    await scratch.commits('after');
    const answer = await poll(scratch.path, next.cursor);
    expect(answer.truncated).toBe(false);
    expect(subjects(answer)).toEqual(['after']);
  });

  it('reads no commit that is not in the branch, whatever a cursor claims', async () => {
    const [base] = await scratch.commits('base');
    const secret = await scratch.looseCommit('secret', [base ?? '']);
    const reset = await poll(scratch.path, `c0.${base}:${secret}:0`);
    expect(reset).toMatchObject({ events: [], truncated: true });
    expect(await poll(scratch.path, reset.cursor)).toMatchObject({ events: [], truncated: false });
  });
});

describe('arguments', () => {
  it('EMIT-04 follows the author, path and branch asked for', async () => {
    await scratch.commits('start');
    const byAuthor = await now(scratch.path, { author: 'second' });
    const byPath = await now(scratch.path, { path: 'docs' });
    await scratch.commits('code');
    await mkdir(join(scratch.path, 'docs'));
    await writeFile(join(scratch.path, 'docs', 'guide.md'), 'text');
    await scratch.git('add', 'docs');
    await scratch.git('-c', 'user.name=Second Author', 'commit', '--quiet', '-m', 'guide');
    expect(subjects(await poll(scratch.path, byAuthor, { arguments: { author: 'second' } }))).toEqual(['guide']);
    expect(subjects(await poll(scratch.path, byPath, { arguments: { path: 'docs' } }))).toEqual(['guide']);
  });

  it.each([
    '--output=x',
    '-main',
    'a..b',
    'main~1',
    'main^{commit}',
    '@{-1}',
    'a b',
    'a//b',
    'x.lock',
    '.x',
    'a\u0000b',
    '',
  ])('ERR-01 refuses %j as a branch', async (branch) => {
    await scratch.commits('start');
    const { error } = await pollRaw(scratch.path, null, { arguments: { branch } });
    expect(error?.code).toBe(-32602);
  });

  it.each(['/etc', '../other', 'a/../../b', ''])('ERR-01 refuses %j as a path', async (path) => {
    await scratch.commits('start');
    const { error } = await pollRaw(scratch.path, null, { arguments: { path } });
    expect(error?.code).toBe(-32602);
  });

  it('ERR-01 refuses a branch that does not exist, and says so', async () => {
    await scratch.commits('start');
    const { error } = await pollRaw(scratch.path, null, { arguments: { branch: 'nowhere' } });
    expect(error).toMatchObject({ code: -32602, message: expect.stringContaining('"nowhere"') });
  });

  it('takes special characters of a path for what they are', async () => {
    await scratch.commits('start');
    const cursor = await now(scratch.path, { path: ':(top)*' });
    await scratch.commits('not that file');
    expect(subjects(await poll(scratch.path, cursor, { arguments: { path: ':(top)*' } }))).toEqual([]);
  });
});

describe('commits written by anybody', () => {
  it('survives strange dates, names and subjects', async () => {
    await scratch.commits('start');
    const cursor = await now(scratch.path);
    const tree = await scratch.git('rev-parse', 'HEAD^{tree}');
    const parent = await scratch.git('rev-parse', 'HEAD');
    const file = join(scratch.folder, 'commit');
    const text = `tree ${tree}\nparent ${parent}\nauthor \u001b[31mX\u0001 <x@example.com> 99999999999999999 +9999\ncommitter Y <y@example.com> 99999999999999999 +9999\n\n${'long '.repeat(400)}\n\nbody\n`;
    await writeFile(file, Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0xfe, 0x0a])]));
    const strange = await scratch.git('hash-object', '-t', 'commit', '-w', '--literally', file);
    await scratch.git('update-ref', 'refs/heads/main', strange);
    await scratch.git('reset', '--quiet', '--hard');
    await scratch.commits('after');
    const answer = await poll(scratch.path, cursor);
    expect(answer.events.map(({ data }) => data.subject.length)).toEqual([500, 5]);
    expect(Number.isNaN(Date.parse(answer.events[0]?.timestamp ?? ''))).toBe(false);
  });
});
