import { expect, it } from 'vitest';
import type { StoredSubscription, SubscriptionStore } from '@mcp-events/server';
import { Recorder } from './kit/recorder.ts';
import { counted } from './kit/servers.ts';
import { webhookServer } from './kit/webhookServer.ts';

/** A store that outlives the servers of a test. */
function mapStore(): SubscriptionStore {
  const records = new Map<string, StoredSubscription>();
  return {
    load: () => [...records.values()],
    save: (record) => void records.set(record.id, record),
    delete: (id) => void records.delete(id),
  };
}

/** An upstream that outlives them, too. */
const upstream = {
  ...counted,
  // An hour passes below, one turn after the other: no more of them than it takes.
  nextPollMs: 60_000,
  check: (_: unknown, __: unknown, cursor: string | null) => ({
    events: cursor === '0' ? [{ eventId: 'a', timestamp: '2026-01-01T00:00:00Z', data: { n: 1 } }] : [],
    cursor: cursor === null ? '0' : '1',
  }),
};

it('ENV-03 DELIV-08 tells after a restart of events that were given up before it, when nobody could be told', async () => {
  const store = mapStore();
  const recorder = new Recorder();
  recorder.answer = () => 500;
  const first = webhookServer({ store }, {}, recorder);
  first.events.define('counted', upstream);
  await first.subscribe('counted', { ttlMs: 86_400_000 });
  await first.clock.advance(3_600_000);
  expect(await first.events.deadLetters()).toHaveLength(1);
  await first.close();

  recorder.requests.length = 0;
  recorder.answer = () => undefined;
  const second = webhookServer({ store }, { clock: first.clock }, recorder);
  second.events.define('counted', upstream);
  await second.clock.advance(120_000);
  expect(recorder.envelopes('gap')).toHaveLength(1);
  await second.close();

  recorder.requests.length = 0;
  const third = webhookServer({ store }, { clock: first.clock }, recorder);
  third.events.define('counted', upstream);
  await third.clock.advance(120_000);
  expect(recorder.deliveries).toEqual([]);
});
