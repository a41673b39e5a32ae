import { describe, expect, it } from 'vitest';
import { EventsClient } from '../src/index.ts';
import { ArrivalOrder, WebhookInbox, WebhookReceiver } from '../src/receiver/index.ts';
import { sqliteInbox } from '../src/sqlite.ts';
import { note, openDatabase, processWorld } from './support/processWorld.ts';
import { BASE_URL } from './support/webhookWorld.ts';
import { FakeClock } from './support/fakeClock.ts';

/** What is a number to the compiler, or to whoever does not ask it, and no bound. */
const noBounds = [Number.NaN, -1, -Infinity, '5' as never, null as never, {} as never];

describe('options that are no bounds are refused where they enter', () => {
  it('SIG-09 RECV-16 of a receiver: NaN would take a post of any age', () => {
    for (const toleranceMs of [...noBounds, 0, 999, Infinity]) {
      expect(() => new WebhookReceiver({ toleranceMs })).toThrow(/^toleranceMs must be a number of at least 1000, not/);
    }
    expect(() => new WebhookReceiver({ toleranceMs: 1_000 })).not.toThrow();
  });

  it('RECV-16 of an inbox and of an order', async () => {
    for (const bound of noBounds) {
      await expect(WebhookInbox.open({ maxMessages: bound })).rejects.toThrow('maxMessages must be');
      await expect(WebhookInbox.open({ maxBytes: bound })).rejects.toThrow('maxBytes must be');
      const base = { clock: new FakeClock(), release: () => {}, gap: () => {} };
      for (const name of ['maxWaitMs', 'maxWaiting', 'maxWaitingBytes']) {
        expect(() => new ArrivalOrder({ ...base, [name]: bound })).toThrow(`${name} must be`);
      }
      expect(() => sqliteInbox(openDatabase(), { maxParked: bound })).toThrow('maxParked must be');
    }
    await expect(WebhookInbox.open({ maxMessages: 0 })).rejects.toThrow('maxMessages must be');
    const inbox = await WebhookInbox.open({ maxMessages: Infinity, maxBytes: 1 });
    await inbox.close();
  });

  it('RECV-16 of webhook delivery', () => {
    const receiver = new WebhookReceiver();
    const make = (more: object): EventsClient =>
      new EventsClient(() => Promise.reject(new Error('not asked')), { webhook: { receiver, url: BASE_URL, ...more } });
    for (const ttlMs of [Number.NaN, 0, Infinity, '5']) expect(() => make({ ttlMs })).toThrow('webhook.ttlMs must be');
    for (const rotateSecretAfterMs of [Number.NaN, -1, '5']) {
      expect(() => make({ rotateSecretAfterMs })).toThrow('webhook.rotateSecretAfterMs must be');
    }
    expect(() => make({ receiver: undefined })).toThrow('webhook needs a receiver and the url');
    for (const wrong of [{}, receiver.handle]) {
      expect(() => make({ receiver: wrong })).toThrow('webhook.receiver must be');
    }
    expect(() => make({ ttlMs: null, rotateSecretAfterMs: Infinity })).not.toThrow();
  });

  it('RECV-16 of processing', async () => {
    for (const maxAttempts of [0, Number.NaN, '5' as never]) {
      const w = await processWorld();
      const { ended } = await w.start({ handler: note as never, maxAttempts });
      expect((await ended)!.message).toMatch(/^maxAttempts must be/);
      await w.events.close();
    }
  });
});
