import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '@mcp-events/server';
import { openSqliteStorage } from '../src/index.ts';
import { appendAll, readAll, unbounded } from './support.ts';
import { temporaryFolder } from './temporaryFolder.ts';

vi.mock('fs-native-extensions', () => {
  throw new Error('There is none for this platform');
});

it('EMIT-16 where no native locks are to be had, no commit goes by an earlier look at the files', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const clock = { ...systemClock, monotonicMs: (): number => 0 };
  const storage = await openSqliteStorage({ file, clock, onWarning: () => {} });
  onTestFinished(async () => storage.close());
  const log = storage.openLog('sample', unbounded);
  await appendAll(log, 1);
  rmSync(`${file}-wal`);
  await expect(appendAll(log, 1, 'after')).rejects.toMatchObject({ code: 'replaced' });
});

it('EMIT-09 where no native locks are to be had, a second server is refused, and the next one takes over', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const first = await openSqliteStorage({ file, onWarning: () => {} });
  const log = first.openLog('sample', unbounded);
  await appendAll(log, 2);
  await expect(openSqliteStorage({ file, onWarning: () => {} })).rejects.toMatchObject({ code: 'locked' });
  await first.close();
  const next = await openSqliteStorage({ file, onWarning: () => {} });
  onTestFinished(async () => next.close());
  expect(await readAll(next.openLog('sample', unbounded))).toEqual(['e1', 'e2']);
});
