import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventOrder } from '@mcp-events/protocol';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { fileInboxStore } from '../src/node.ts';
import { SubscriptionOrders } from '../src/receiver/subscriptionOrders.ts';
import {
  ArrivalOrder,
  type EventMessage,
  type InboxChange,
  type InboxItem,
  type InboxStore,
  memoryInboxStore,
  WebhookInbox,
  type WebhookInboxOptions,
  type WebhookMessage,
} from '../src/receiver/index.ts';
import { occurrence, ReceiverWorld, secretA } from './receiverWorld.ts';
import { FakeClock, settle } from './support/fakeClock.ts';

const folder = await mkdtemp(join(tmpdir(), 'webhook-inbox-'));
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
const newFile = (): string => join(folder, `${(files += 1)}.log`);

function event(id: string, order?: EventOrder, more: Partial<EventMessage> = {}): EventMessage {
  return {
    kind: 'event',
    subscriptionId: 'sub_1',
    webhookId: `msg_${id}`,
    event: { eventId: id, name: 'n', timestamp: 't', data: {}, cursor: null },
    order,
    bytes: 100,
    ...more,
  };
}

/** The n-th event of a chain that begins with the first. */
function nth(n: number, more: Partial<EventMessage> = {}): EventMessage {
  return event(`e${n}`, { position: `p${n}`, previous: n === 1 ? null : `p${n - 1}` }, more);
}

const gap = (cursor: string): WebhookMessage => ({
  kind: 'gap',
  subscriptionId: 'sub_1',
  webhookId: 'msg_gap',
  cursor,
});
const terminated: WebhookMessage = {
  kind: 'terminated',
  subscriptionId: 'sub_1',
  webhookId: 'msg_terminated',
  error: { code: -32024, message: 'revoked' },
};

/** A short name of what was handed out. */
function label(item: InboxItem): string {
  if (item.kind === 'event') return item.event.eventId;
  return item.kind === 'gap' ? `gap ${item.cursor}` : 'terminated';
}

/** The store, and what it is busy with: disks need time that no clock of a test measures. */
class WatchedStore implements InboxStore {
  readonly #store: InboxStore;
  readonly #busy = new Set<Promise<void>>();

  constructor(store: InboxStore) {
    this.#store = store;
  }

  load = (): ReturnType<InboxStore['load']> => this.#store.load();

  append = (change: InboxChange): Promise<void> => {
    const appended = this.#store.append(change).finally(() => this.#busy.delete(appended));
    this.#busy.add(appended);
    return appended;
  };

  close = (): Promise<void> => this.#store.close();

  /** Resolves when everything that follows from what was asked so far has happened. */
  async idle(): Promise<void> {
    await settle();
    while (this.#busy.size > 0) {
      await Promise.allSettled(this.#busy);
      await settle();
    }
  }
}

/** An application that asks for items when it is told to. */
class Application {
  readonly handled: string[] = [];
  readonly #store: WatchedStore;
  readonly #iterator: AsyncIterator<InboxItem>;
  #asking: Promise<unknown> | undefined;

  constructor(inbox: WebhookInbox, store: WatchedStore) {
    this.#store = store;
    this.#iterator = inbox[Symbol.asyncIterator]();
  }

  /** Asking for the next item acknowledges the one before, whether or not there is a next one. */
  get acknowledged(): string[] {
    return this.#asking === undefined ? this.handled.slice(0, -1) : this.handled;
  }

  /** Asks for up to so many items, as far as there are any. */
  async take(count: number): Promise<string[]> {
    for (let taken = 0; taken < count && this.#asking === undefined; taken += 1) {
      this.#asking = this.#iterator.next().then(({ done, value }) => {
        if (done === true) return;
        this.handled.push(label(value));
        this.#asking = undefined;
      });
      await this.#store.idle();
    }
    await this.#store.idle();
    return this.handled;
  }
}

async function open(options: WebhookInboxOptions = {}): Promise<{ inbox: WebhookInbox; application: Application }> {
  const store = new WatchedStore(options.store ?? memoryInboxStore());
  const inbox = await WebhookInbox.open({ clock: new FakeClock(), ...options, store });
  return { inbox, application: new Application(inbox, store) };
}

const stores: [string, () => InboxStore][] = [
  ['memoryInboxStore', memoryInboxStore],
  ['fileInboxStore', () => fileInboxStore(newFile())],
];

describe.each(stores)('an inbox with %s', (_name, create) => {
  /** Two openings of the same content. */
  async function reopened(
    store: InboxStore,
    inbox: WebhookInbox,
  ): Promise<{ inbox: WebhookInbox; application: Application }> {
    await inbox.close();
    return open({ store });
  }

  it('ORDER-02 ENV-06 hands out what it accepted, each subscription in its order', async () => {
    const { inbox, application } = await open({ store: create() });
    const arrivals = [
      nth(3),
      nth(1),
      nth(1, { subscriptionId: 'sub_2' }),
      nth(3),
      nth(2),
      event('e9', undefined, { subscriptionId: 'sub_2' }),
      gap('c5'),
      terminated,
    ];
    for (const message of arrivals) expect(await inbox.accept(message)).toBe('accepted');
    expect(await application.take(20)).toEqual(['e1', 'e1', 'e2', 'e3', 'e9', 'gap c5', 'terminated']);
    await inbox.close();
  });

  it('RECV-02 hands out again after a restart what was not acknowledged, and nothing that was', async () => {
    const store = create();
    const first = await open({ store });
    for (const n of [2, 1, 3]) await first.inbox.accept(nth(n));
    expect(await first.application.take(2)).toEqual(['e1', 'e2']);
    const second = await reopened(store, first.inbox);
    await second.inbox.accept(nth(4));
    expect(await second.application.take(9)).toEqual(['e2', 'e3', 'e4']);
    await second.inbox.close();
  });

  it('RECV-05 RECV-06 recognises repetitions also after a restart, acknowledged or not', async () => {
    const store = create();
    const first = await open({ store });
    for (const n of [1, 2]) await first.inbox.accept(nth(n));
    await first.application.take(2);
    const second = await reopened(store, first.inbox);
    for (const message of [nth(1), nth(2), nth(1, { webhookId: 'another' }), nth(2, { webhookId: 'another too' })]) {
      expect(await second.inbox.accept(message)).toBe('accepted');
    }
    await second.inbox.accept(nth(1, { subscriptionId: 'sub_2' }));
    expect(await second.application.take(9)).toEqual(['e2', 'e1']);
    await second.inbox.close();
  });

  it('RECV-02 counts the places that a gap names against its bounds', async () => {
    const { inbox } = await open({ store: create(), maxBytes: 100_000 });
    const missing = Array.from({ length: 100 }, (_, n) => ({ position: `p${n}`.padEnd(250), previous: null }));
    const answers: string[] = [];
    for (const webhookId of ['g1', 'g2', 'g3', 'g4', 'g5']) {
      answers.push(await inbox.accept({ ...gap('c'), webhookId, missing } as WebhookMessage));
    }
    expect(answers).toEqual(['accepted', 'accepted', 'accepted', 'retry', 'retry']);
    await inbox.close();
  });

  it('ORDER-02 CUR-13 waits for nothing after a restart that a gap told to be missing before it', async () => {
    const store = create();
    const first = await open({ store });
    const missing = [2, 4].map((n) => ({ position: `p${n}`, previous: `p${n - 1}` }));
    for (const message of [nth(1), { ...gap('c4'), missing } as WebhookMessage]) await first.inbox.accept(message);
    await first.inbox.accept(nth(3));
    expect(await first.application.take(3)).toEqual(['e1', 'gap c4', 'e3']);
    const second = await reopened(store, first.inbox);
    await second.inbox.accept(nth(5));
    expect(await second.application.take(2)).toEqual(['e3', 'e5']);
    const third = await reopened(store, second.inbox);
    await third.inbox.accept(nth(6));
    expect(await third.application.take(9)).toEqual(['e5', 'e6']);
    await third.inbox.close();
  });

  it('ORDER-02 goes on in the order of a subscription after a restart', async () => {
    const store = create();
    const first = await open({ store });
    await first.inbox.accept(nth(1));
    await first.inbox.accept(nth(3));
    await first.application.take(2);
    const second = await reopened(store, first.inbox);
    await second.inbox.accept(nth(4));
    expect(await second.application.take(9)).toEqual([]);
    await second.inbox.accept(nth(2));
    expect(await second.application.take(9)).toEqual(['e2', 'e3', 'e4']);
    await second.inbox.close();
  });

  it('ORDER-02 follows a server that repeats events at other places, also after a restart', async () => {
    for (const restart of [false, true]) {
      const store = create();
      let { inbox, application } = await open({ store });
      for (const n of [1, 3]) await inbox.accept(nth(n));
      await application.take(2);
      const again = (n: number, previous: number | null): EventMessage =>
        event(
          `e${n}`,
          { position: `n${n}`, previous: previous === null ? null : `n${previous}` },
          { webhookId: `n${n}` },
        );
      await inbox.accept(again(3, 2));
      await inbox.accept(again(1, null));
      if (restart) ({ inbox, application } = await reopened(store, inbox));
      await inbox.accept(again(4, 3));
      expect(await application.take(9)).not.toContain('e4');
      await inbox.accept(again(2, 1));
      expect((await application.take(9)).slice(-3)).toEqual(['e2', 'e3', 'e4']);
      expect(application.handled).not.toContain('gap null');
      await inbox.close();
    }
  });

  it('RECV-02 skips and repeats nothing through restarts at any point, in the order of the subscription', async () => {
    const plans = fc.integer({ min: 1, max: 12 }).chain((count) =>
      fc.record({
        count: fc.constant(count),
        arrivals: fc.array(fc.integer({ min: 1, max: count }), { maxLength: 20 }).chain((more) => {
          const all = [...Array.from({ length: count }, (_, index) => index + 1), ...more];
          return fc.shuffledSubarray(all, { minLength: all.length });
        }),
        steps: fc.array(fc.record({ take: fc.nat({ max: 3 }), restart: fc.boolean() }), {
          minLength: 32,
          maxLength: 32,
        }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(plans, async ({ count, arrivals, steps }) => {
        const store = create();
        let { inbox, application } = await open({ store });
        const acknowledged: string[] = [];
        for (const [index, n] of arrivals.entries()) {
          expect(await inbox.accept(nth(n))).toBe('accepted');
          const { take, restart } = steps[index]!;
          await application.take(take);
          if (!restart) continue;
          acknowledged.push(...application.acknowledged);
          ({ inbox, application } = await reopened(store, inbox));
        }
        await application.take(count + 1);
        expect([...acknowledged, ...application.handled]).toEqual(
          Array.from({ length: count }, (_, index) => `e${index + 1}`),
        );
        await inbox.close();
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});

describe('an inbox', () => {
  it('CUR-13 hands out a gap when a predecessor does not come, and the late event after it', async () => {
    const clock = new FakeClock();
    const { inbox, application } = await open({ clock });
    for (const n of [1, 3]) await inbox.accept(nth(n));
    await clock.advance(59_999);
    expect(await application.take(5)).toEqual(['e1']);
    await clock.advance(1);
    expect(await application.take(5)).toEqual(['e1', 'gap null', 'e3']);
    await inbox.accept(nth(2));
    await settle();
    expect(await application.take(5)).toEqual(['e1', 'gap null', 'e3', 'e2']);
    await inbox.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('CUR-13 hands out a gap that the server tells before the events that follow it', async () => {
    const { inbox, application } = await open();
    for (const message of [nth(1), nth(3), gap('c9'), nth(4)]) await inbox.accept(message);
    expect(await application.take(9)).toEqual(['e1', 'gap c9', 'e3', 'e4']);
  });

  it('TERM-01 hands out what waits, and that something is missing, before the end', async () => {
    const { inbox, application } = await open();
    for (const message of [nth(1), nth(3), terminated]) await inbox.accept(message);
    expect(await application.take(9)).toEqual(['e1', 'gap null', 'e3', 'terminated']);
  });

  it('RECV-13 keeps what a subscription brings that is made again before its end was acknowledged', async () => {
    const clock = new FakeClock();
    const { inbox, application } = await open({ clock });
    for (const message of [nth(1), terminated]) await inbox.accept(message);
    const again = (id: string, position: string, previous: string | null): EventMessage =>
      event(id, { position, previous });
    expect(await inbox.accept(again('e8', 'q8', 'q7'))).toBe('accepted');
    // Asking for a third one acknowledges the end.
    expect(await application.take(3)).toEqual(['e1', 'terminated']);
    expect(await inbox.accept(again('e7', 'q7', null))).toBe('accepted');
    expect(await inbox.accept(again('e9', 'q9', 'q8'))).toBe('accepted');
    expect(await application.take(9)).toEqual(['e1', 'terminated', 'e7', 'e8', 'e9']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('CLIENT-26 counts a message for what it was, whatever the application made of it', async () => {
    const inbox = await WebhookInbox.open({ maxBytes: 250, clock: new FakeClock() });
    for (const n of [1, 2]) expect(await inbox.accept(nth(n))).toBe('accepted');
    const iterator = inbox[Symbol.asyncIterator]();
    for (let n = 0; n < 2; n += 1) {
      const { value } = await iterator.next();
      Object.assign(value as object, { bytes: -1_000, kind: 'gap' });
    }
    void iterator.next();
    await settle();
    expect(await inbox.accept(nth(3))).toBe('accepted');
    expect(await inbox.accept(nth(4))).toBe('accepted');
    expect(await inbox.accept(nth(5))).toBe('retry');
    await inbox.close();
  });

  it('RECV-12 one that nests deeply is handed out, and refuses nothing else', async () => {
    for (const store of [memoryInboxStore(), fileInboxStore(newFile())]) {
      const { inbox, application } = await open({ store });
      const deep = JSON.parse(`{"a":${'['.repeat(60_000)}${']'.repeat(60_000)}}`) as Record<string, unknown>;
      const { event: plain } = nth(2);
      const accepted = await Promise.all([
        inbox.accept(nth(1)),
        inbox.accept(nth(2, { event: { ...plain, data: deep } })),
        inbox.accept(nth(3)),
      ]);
      expect(accepted).toEqual(['accepted', 'accepted', 'accepted']);
      expect(await application.take(9)).toEqual(['e1', 'e2', 'e3']);
      await inbox.close();
    }
  });

  it('RECV-12 forgets subscriptions that bring nothing, and goes on where one of them was', () => {
    const clock = new FakeClock();
    const handed: string[] = [];
    const orders = new SubscriptionOrders<string>(
      (id, passed) =>
        new ArrivalOrder<string>({
          clock,
          passed,
          release: (item) => handed.push(`${id} ${item}`),
          gap: () => handed.push(`${id} gap`),
        }),
    );
    orders.get('waits').take('second', { position: 'p2', previous: 'p1' });
    orders.get('idle').take('first', { position: 'p1', previous: null });
    for (let n = 0; n < 2_000; n += 1) {
      orders.get(`other${n}`);
      expect(orders.size).toBeLessThanOrEqual(1_000);
    }
    orders.get('idle').take('second', { position: 'p2', previous: 'p1' });
    orders.get('waits').take('first', { position: 'p1', previous: null });
    expect(handed).toEqual(['idle first', 'idle second', 'waits first', 'waits second']);
  });

  it('leaves to the server what it has no room for', async () => {
    const { inbox, application } = await open({ maxMessages: 3 });
    const outcomes = [];
    for (const n of [1, 2, 3, 4]) outcomes.push(await inbox.accept(nth(n)));
    expect(outcomes).toEqual(['accepted', 'accepted', 'accepted', 'retry']);
    await application.take(2);
    expect(await inbox.accept(nth(4))).toBe('accepted');
    expect(await application.take(9)).toEqual(['e1', 'e2', 'e3', 'e4']);
  });

  it('has room for bytes, simultaneous arrivals included', async () => {
    const { inbox } = await open({ maxBytes: 1_000 });
    const outcomes = await Promise.all([1, 2, 3].map((n) => inbox.accept(event(`e${n}`, undefined, { bytes: 400 }))));
    expect(outcomes).toEqual(['accepted', 'accepted', 'retry']);
    // What fills it to the last byte has room, and nothing has then.
    expect(await inbox.accept(event('e4', undefined, { bytes: 201 }))).toBe('retry');
    expect(await inbox.accept(event('e4', undefined, { bytes: 200 }))).toBe('accepted');
    expect(await inbox.accept(event('e5', undefined, { bytes: 1 }))).toBe('retry');
    const large = await open({ maxBytes: 1_000 });
    expect(await large.inbox.accept(event('e1', undefined, { bytes: 5_000 }))).toBe('accepted');
  });

  it('ORDER-02 keeps room for the event that the others wait for', async () => {
    const { inbox, application } = await open({ maxMessages: 4 });
    expect(await Promise.all([3, 4, 5].map((n) => inbox.accept(nth(n))))).toEqual(['accepted', 'accepted', 'retry']);
    expect([await inbox.accept(nth(1)), await inbox.accept(nth(2))]).toEqual(['accepted', 'accepted']);
    await application.take(9);
    expect(await inbox.accept(nth(5))).toBe('accepted');
    await settle();
    expect(await application.take(9)).toEqual(['e1', 'e2', 'e3', 'e4', 'e5']);
  });

  it('RECV-02 does not count as received what could not be stored', async () => {
    const store = memoryInboxStore();
    const { append } = store;
    store.append = () => Promise.reject(new Error('disk full'));
    const { inbox, application } = await open({ store, maxMessages: 2 });
    for (let round = 0; round < 3; round += 1) await expect(inbox.accept(nth(1))).rejects.toThrow('disk full');
    store.append = append;
    expect(await inbox.accept(nth(1))).toBe('accepted');
    expect(await application.take(9)).toEqual(['e1']);
  });

  it('RECV-02 RECV-17 does not count another place of an event as known that could not be stored', async () => {
    const store = memoryInboxStore();
    const { append } = store;
    const changes: string[] = [];
    const { inbox, application } = await open({ store });
    await inbox.accept(nth(2));
    const again = nth(2, { order: { position: 'q1', previous: null } });
    store.append = () => Promise.reject(new Error('disk full'));
    await expect(inbox.accept(again)).rejects.toThrow('disk full');
    store.append = (change) => {
      changes.push(change.kind);
      return append(change);
    };
    expect([await inbox.accept(again), await inbox.accept(again)]).toEqual(['accepted', 'accepted']);
    expect(changes).toEqual(['mark']);
    // At that place nothing has to be waited for.
    expect(await application.take(9)).toEqual(['e2']);
  });

  it('hands an item out again when its acknowledgement could not be stored', async () => {
    const store = memoryInboxStore();
    const { append } = store;
    const { inbox } = await open({ store });
    await inbox.accept(nth(1));
    store.append = () => Promise.reject(new Error('disk full'));
    const read = async (): Promise<string[]> => {
      const seen: string[] = [];
      for await (const item of inbox) {
        seen.push(label(item));
        if (seen.length === 2) break;
      }
      return seen;
    };
    await expect(read()).rejects.toThrow('disk full');
    store.append = append;
    await inbox.accept(nth(2));
    expect(await read()).toEqual(['e1', 'e2']);
    for await (const item of inbox) {
      expect(label(item)).toBe('e2');
      break;
    }
  });

  it('is read by one loop at a time', async () => {
    const { inbox } = await open();
    const first = inbox[Symbol.asyncIterator]();
    const waiting = first.next();
    await expect(inbox[Symbol.asyncIterator]().next()).rejects.toThrow('One loop at a time');
    await inbox.close();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('accepts nothing and hands out nothing after it was closed', async () => {
    const { inbox, application } = await open();
    await inbox.accept(nth(1));
    await application.take(1);
    await inbox.close();
    expect(await inbox.accept(nth(2))).toBe('retry');
    expect(await application.take(2)).toEqual(['e1']);
  });

  it.each(['n', 'm'])(
    'RECV-03 RECV-05 RECV-17 answers before the application reads, and recognises what comes again as %s1',
    async (again) => {
      const world = new ReceiverWorld();
      const { inbox, application } = await open({ clock: world.clock });
      world.receiver.register({ secret: secretA, id: 'sub_1', accept: inbox.accept, repeated: inbox.accept });
      const at = (position: string, previous: string | null): object => ({
        'mcp-events/order': { position, previous },
      });
      const post = (id: string, eventId: string, _meta: object): Promise<number> =>
        world.post({ id, body: occurrence(eventId, { _meta }) });
      // RECV-03: nobody reads yet.
      expect(await post('m3', 'e3', at('p3', 'p2'))).toBe(204);
      expect(await post('m1', 'e1', at('p1', null))).toBe(204);
      // The server restarts and sends all of it again.
      expect(await post(`${again}1`, 'e1', at('n1', null))).toBe(204);
      expect(await post(`${again}3`, 'e3', at('n3', 'n2'))).toBe(204);
      expect(await application.take(9)).toEqual(['e1']);
      expect(await post(`${again}2`, 'e2', at('n2', 'n1'))).toBe(204);
      await settle();
      expect(await application.take(9)).toEqual(['e1', 'e2', 'e3']);
    },
  );
});
