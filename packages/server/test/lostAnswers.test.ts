import { memoryStorage } from '@mcp-events/server';
import type { Storage } from '@mcp-events/server';
import { expect, it } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { counted } from './kit/servers.ts';
import { durableStorage, TestSubscriptionStore } from './kit/storage.ts';
import { postedNumbers, webhookServer } from './kit/webhookServer.ts';

/** Storage that stores what it is given, and loses the next answer that it is told to. */
function losingAnswers(clock: FakeClock, answersAtOnce: boolean): { storage: Storage; loseNext: () => void } {
  const inner = memoryStorage({ clock });
  let isLost = false;
  const openLog: Storage['openLog'] = (name, retention) => {
    const log = inner.openLog(name, retention);
    const { append } = log;
    log.append = (event, options) => {
      const answer = append.call(log, event, options);
      if (!isLost) return answer;
      isLost = false;
      const lost = new Error('stored, and the answer is lost');
      if (answersAtOnce) throw lost;
      return Promise.reject(lost);
    };
    return log;
  };
  const storage = { ...durableStorage(new TestSubscriptionStore(), inner), openLog };
  return { storage, loseNext: () => void (isLost = true) };
}

it.each([
  ['it is emitted again', true, true],
  ['it is emitted again, and the storage answers in turns', false, true],
  ['another one is emitted', true, false],
  ['another one is emitted, and the storage answers in turns', false, false],
])('EMIT-26 what was stored without an answer reaches everybody when %s', async (_when, answersAtOnce, again) => {
  const clock = new FakeClock();
  const { storage, loseNext } = losingAnswers(clock, answersAtOnce);
  const server = webhookServer({}, { clock, storage });
  const type = server.events.define('counted', counted);
  const stream = await server.stream('counted');
  await server.subscribe('counted');
  const { cursor } = await server.poll('counted', null);
  loseNext();
  await expect(type.emit({ n: 1 }, { eventId: 'a' })).rejects.toThrow();
  if (again) await type.emit({ n: 1 }, { eventId: 'a' });
  await type.emit({ n: 2 }, { eventId: 'b' });
  await settle(20);
  const pushed = (await stream.arrived()).flatMap(({ params }) => {
    const { data } = params as { data?: { n: number } };
    return data === undefined ? [] : [data.n];
  });
  const polled = (await server.poll('counted', cursor)).events.map(
    (event: { data: unknown }) => (event.data as { n: number }).n,
  );
  expect([pushed, postedNumbers(server), polled]).toEqual([
    [1, 2],
    [1, 2],
    [1, 2],
  ]);
});
