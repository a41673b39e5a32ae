import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ClientDeliveryMode,
  type CursorStore,
  EventsClient,
  type Gap,
  memoryStore,
  type Subscription,
} from '../src/index.ts';
import { WebhookReceiver } from '../src/receiver/index.ts';
import { Application } from './support/application.ts';
import { FakeClock, settle } from './support/fakeClock.ts';
import { BASE_URL } from './support/webhookWorld.ts';
import { type Ordering, WebhookModelServer } from './support/webhookModel.ts';

type Action =
  | { do: 'emit' | 'pump' | 'take' | 'abandon'; count: number }
  | { do: 'post'; picks: number[]; noticed: boolean }
  | { do: 'heartbeat' | 'drop' | 'pushBreaks' | 'pushWorks' | 'webhookWorks' | 'unsubscribeBreaks' }
  | { do: 'webhookBreaks'; code: number }
  | { do: 'serverRestarts'; durable: boolean }
  | { do: 'clientRestarts'; crash: boolean; delivery: ClientDeliveryMode | undefined }
  | { do: 'wait'; ms: number };

function actions(abandons: boolean): fc.Arbitrary<Action[]> {
  const counted = (kind: 'emit' | 'pump' | 'take' | 'abandon', max: number): fc.Arbitrary<Action> =>
    fc.record({ do: fc.constant(kind), count: fc.integer({ min: 0, max }) });
  const plain = ['heartbeat', 'drop', 'pushBreaks', 'pushWorks', 'webhookWorks', 'unsubscribeBreaks'] as const;
  const picks = fc.array(fc.nat(12), { maxLength: 8 });
  const post = fc.record({ do: fc.constant('post' as const), picks, noticed: fc.boolean() });
  const code = fc.constantFrom(-32603, -32027, -32025);
  const delivery = fc.constantFrom<ClientDeliveryMode | undefined>('webhook', 'push', 'poll', undefined, undefined);
  return fc.array(
    fc.oneof(
      { weight: 4, arbitrary: counted('emit', 6) },
      { weight: 8, arbitrary: post },
      { weight: 3, arbitrary: counted('pump', 8) },
      { weight: 5, arbitrary: counted('take', 5) },
      { weight: abandons ? 2 : 0, arbitrary: counted('abandon', 5) },
      { weight: 3, arbitrary: fc.record({ do: fc.constantFrom(...plain) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('webhookBreaks' as const), code }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('serverRestarts' as const), durable: fc.boolean() }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant('clientRestarts' as const), crash: fc.boolean(), delivery }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 12_000 }) }),
      },
    ),
    { maxLength: 50, size: 'max' },
  );
}

/** One client process after the other, on one store and one server. */
class Processes {
  readonly application = new Application();
  readonly gaps: Gap[] = [];
  readonly #server: WebhookModelServer;
  readonly #clock: FakeClock;
  readonly #store = memoryStore();
  #events: EventsClient | undefined;
  #alive = { now: false };

  constructor(server: WebhookModelServer, clock: FakeClock) {
    this.#server = server;
    this.#clock = clock;
  }

  async start(delivery?: ClientDeliveryMode): Promise<void> {
    const alive = { now: true };
    this.#alive = alive;
    const receiver = new WebhookReceiver({ clock: this.#clock });
    this.#server.endpoint = receiver.handle;
    // A process that is dead writes nothing any more.
    const store: CursorStore = {
      ...this.#store,
      save: async (key, record) => {
        if (alive.now) await this.#store.save(key, record);
      },
    };
    const connect = async (): ReturnType<WebhookModelServer['client']> => {
      if (!alive.now) throw new Error('dead');
      return this.#server.client();
    };
    this.#events = new EventsClient(connect, {
      clock: this.#clock,
      store,
      random: () => 1,
      maxBufferedEvents: 5,
      webhook: { receiver, url: BASE_URL },
    });
    const onGap = (gap: Gap): void => void this.gaps.push(gap);
    const records = await this.#store.list();
    let subscription: Subscription | undefined;
    if (records.length === 0) subscription = await this.#events.subscribe('incident.opened', {}, { from: 'c0', onGap });
    else [subscription] = await this.#events.resume(() => ({ delivery, onGap }));
    this.application.restart(subscription!);
  }

  async end(crash: boolean): Promise<void> {
    if (crash) {
      this.#alive.now = false;
      this.#server.endpoint = undefined;
      await this.#server.die();
    }
    await this.#events?.close();
    this.#server.clientRestarts();
  }
}

interface Outcome {
  server: WebhookModelServer;
  handled: string[];
  gaps: Gap[];
}

/** Runs the actions, then lets everything arrive, and returns all ids the application handled. */
async function run(plan: Action[], ordering: Ordering): Promise<Outcome> {
  const clock = new FakeClock();
  const server = new WebhookModelServer(clock, ordering);
  server.types[0]!['delivery'] = ['webhook', 'push', 'poll'];
  const processes = new Processes(server, clock);
  const { application, gaps } = processes;
  await processes.start();
  for (const action of plan) {
    if (action.do === 'emit') server.emitted += action.count;
    else if (action.do === 'pump') server.pump(action.count);
    else if (action.do === 'take') await application.take(action.count);
    else if (action.do === 'post') for (const pick of action.picks) await server.post(pick, action.noticed);
    else if (action.do === 'abandon') await server.abandon(action.count);
    else if (action.do === 'heartbeat') server.heartbeat();
    else if (action.do === 'drop') server.drop();
    else if (action.do === 'pushBreaks') server.pushWorks = false;
    else if (action.do === 'pushWorks') server.pushWorks = true;
    else if (action.do === 'webhookBreaks') server.subscribeFails = action.code;
    else if (action.do === 'webhookWorks') server.subscribeFails = undefined;
    else if (action.do === 'unsubscribeBreaks') server.unsubscribeFails = true;
    else if (action.do === 'serverRestarts') await server.restart(action.durable);
    else if (action.do === 'clientRestarts') {
      await processes.end(action.crash);
      server.unsubscribeFails = false;
      await processes.start(action.delivery);
    } else if (action.do === 'wait') {
      await clock.advance(action.ms);
      // Retries come within the time that receivers wait for a missing one.
      await server.retry();
    }
    await settle();
  }
  server.emitted += 1;
  server.pushWorks = true;
  server.subscribeFails = undefined;
  await processes.end(false);
  await processes.start();
  for (let round = 0; round < 60 && application.handled.at(-1) !== `e${server.emitted}`; round += 1) {
    await clock.advance(10_000);
    for (let posts = 0; posts < 4; posts += 1) await server.retry();
    server.pump(10);
    await settle();
    await application.take(10);
  }
  await processes.end(false);
  expect(clock.pendingTimers).toBe(0);
  return { server, handled: application.handled, gaps };
}

const all = (server: WebhookModelServer): string[] =>
  Array.from({ length: server.emitted }, (_, index) => `e${index + 1}`);
const sorted = (ids: string[]): string[] => ids.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)));

const told: fc.Arbitrary<Ordering> = fc.record({ told: fc.constant(true), remembers: fc.boolean() });
const untold: Ordering = { told: false, remembers: false };

describe('webhook properties', () => {
  it('ORDER-04 CLIENT-01 CLIENT-06 each event is handled once and in order, through shuffled and repeated posts, refusals, lapses, three modes, and restarts of both sides', async () => {
    await fc.assert(
      fc.asyncProperty(actions(false), told, async (plan, ordering) => {
        const { server, handled, gaps } = await run(plan, ordering);
        expect(handled).toEqual(all(server));
        expect(gaps).toEqual([]);
      }),
      { numRuns: 100 },
    );
  }, 240_000);

  it('ORDER-02 ORDER-04 each event is handled once when the server does not tell the order', async () => {
    await fc.assert(
      fc.asyncProperty(actions(false), async (plan) => {
        const { server, handled, gaps } = await run(plan, untold);
        expect(sorted(handled)).toEqual(all(server));
        expect(gaps).toEqual([]);
      }),
      { numRuns: 100 },
    );
  }, 240_000);

  it('ENV-04 what the server gave up is told, and everything else is handled once', async () => {
    await fc.assert(
      fc.asyncProperty(actions(true), fc.oneof(told, fc.constant(untold)), async (plan, ordering) => {
        const { server, handled, gaps } = await run(plan, ordering);
        expect(new Set(handled).size).toBe(handled.length);
        const missing = all(server).filter((id) => !handled.includes(id));
        expect([...server.lost].map((n) => `e${n}`)).toEqual(expect.arrayContaining(missing));
        if (missing.length > 0) expect(gaps.length).toBeGreaterThan(0);
      }),
      { numRuns: 100 },
    );
  }, 240_000);
});
