import type { StoredSubscription, SubscriptionStore } from '@mcp-events/server';
import { expect, it } from 'vitest';
import { Persistence } from '../src/delivery/webhook/persistence.ts';
import { SecretSealer } from '../src/delivery/webhook/signing/secretSealer.ts';
import type { WebhookSubscription } from '../src/delivery/webhook/webhookSubscription.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { keyOf, secretOf } from './kit/webhookServer.ts';

/** A store whose calls are answered one by one. */
class HeldStore implements SubscriptionStore {
  readonly calls: { readonly what: string; readonly answer: (error?: Error) => void }[] = [];

  load(): StoredSubscription[] {
    return [];
  }

  save({ id, cursor }: StoredSubscription): Promise<void> {
    return this.#hold(`save ${id} at ${cursor}`);
  }

  delete(id: string): Promise<void> {
    return this.#hold(`delete ${id}`);
  }

  get whats(): string[] {
    return this.calls.map(({ what }) => what);
  }

  #hold(what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const answer = (error?: Error): void => (error === undefined ? resolve() : reject(error));
      this.calls.push({ what, answer });
    });
  }
}

function persistenceOn(store: SubscriptionStore, clock: FakeClock): Persistence {
  return new Persistence(store, new SecretSealer([keyOf(1)]), clock, () => {});
}

/** As much of a subscription as is stored. */
function subscriptionAt(cursor: string): WebhookSubscription & { ended: boolean } {
  return {
    id: 'sub_1',
    name: 'counted',
    principal: 'alice',
    rawArguments: {},
    url: 'https://hooks.example/a',
    dialect: 'final',
    secrets: { reveal: () => ({ secret: secretOf() }) },
    refreshBeforeMs: null,
    gapAfter: null,
    consent: 'challenge',
    owesUnsubscribe: false,
    definition: {},
    ordered: false,
    ended: false,
    position: cursor,
    lane: { progress: { cursor, settled: [], suspended: false, failing: null } },
  } as unknown as WebhookSubscription & { ended: boolean };
}

const record = { id: 'sub_1', name: 'counted', cursor: 'old' } as StoredSubscription;

it('OP-13 what failed to be stored does not take the place of what waits and is newer', async () => {
  const store = new HeldStore();
  const clock = new FakeClock();
  const persistence = persistenceOn(store, clock);
  const kept = persistence.keep(record);
  await settle();
  // It came back meanwhile, and got on.
  persistence.touch(subscriptionAt('new'));
  store.calls[0]!.answer(new Error('the store is full'));
  expect(await kept).toBe(false);
  await clock.advance(60_000);
  expect(store.whats).toEqual(['save sub_1 at old', 'save sub_1 at new']);
});

it('OP-13 one that has ended does not keep what has its id now from being stored', async () => {
  const store = new HeldStore();
  const clock = new FakeClock();
  const persistence = persistenceOn(store, clock);
  const before = subscriptionAt('before');
  before.ended = true;
  persistence.touch(before);
  expect([persistence.isWaiting('sub_1'), persistence.waiting]).toEqual([false, 0]);
  persistence.touch(subscriptionAt('now'));
  await clock.advance(60_000);
  expect(store.whats).toEqual(['save sub_1 at now']);
});

it('TTL-11 a close waits for what is being stored, and for what moved', async () => {
  const store = new HeldStore();
  const clock = new FakeClock();
  const persistence = persistenceOn(store, clock);
  void persistence.save(subscriptionAt('granted'));
  await settle();
  let isClosed = false;
  void persistence.close().then(() => (isClosed = true));
  await settle();
  expect([isClosed, store.whats]).toEqual([false, ['save sub_1 at granted']]);
  store.calls[0]!.answer();
  await settle();
  expect(isClosed).toBe(true);
});
