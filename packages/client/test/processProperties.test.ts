import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ClientDeliveryMode, EventsClient } from '../src/index.ts';
import { WebhookReceiver } from '../src/receiver/index.ts';
import { sqliteInbox } from '../src/sqlite.ts';
import { CrashingDatabase } from './support/crashingDatabase.ts';
import { FakeClock, settle } from './support/fakeClock.ts';
import { effects, openDatabase } from './support/processWorld.ts';
import { type Ordering, WebhookModelServer } from './support/webhookModel.ts';
import { BASE_URL } from './support/webhookWorld.ts';

type Action =
  | { do: 'emit' | 'pump' | 'abandon'; count: number }
  | { do: 'post'; picks: number[]; noticed: boolean }
  | { do: 'heartbeat' | 'drop' | 'pushBreaks' | 'pushWorks' | 'webhookWorks' | 'hold' | 'release' }
  | { do: 'webhookBreaks'; code: number }
  | { do: 'serverRestarts'; durable: boolean }
  | { do: 'crashAfter'; calls: number }
  | { do: 'restarts'; kill: boolean; delivery: ClientDeliveryMode | undefined }
  | { do: 'wait'; ms: number };

function actions(abandons: boolean): fc.Arbitrary<Action[]> {
  const counted = (kind: 'emit' | 'pump' | 'abandon', max: number): fc.Arbitrary<Action> =>
    fc.record({ do: fc.constant(kind), count: fc.integer({ min: 0, max }) });
  const plain = ['heartbeat', 'drop', 'pushBreaks', 'pushWorks', 'webhookWorks', 'hold', 'release'] as const;
  const picks = fc.array(fc.nat(12), { maxLength: 8 });
  const code = fc.constantFrom(-32603, -32027, -32025);
  const delivery = fc.constantFrom<ClientDeliveryMode | undefined>('webhook', 'push', 'poll', undefined);
  const ms = fc.integer({ min: 0, max: 12_000 });
  return fc.array(
    fc.oneof(
      { weight: 5, arbitrary: counted('emit', 6) },
      { weight: 6, arbitrary: fc.record({ do: fc.constant('post' as const), picks, noticed: fc.boolean() }) },
      { weight: 4, arbitrary: counted('pump', 8) },
      { weight: abandons ? 2 : 0, arbitrary: counted('abandon', 5) },
      { weight: 3, arbitrary: fc.record({ do: fc.constantFrom(...plain) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('webhookBreaks' as const), code }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('serverRestarts' as const), durable: fc.boolean() }) },
      { weight: 6, arbitrary: fc.record({ do: fc.constant('crashAfter' as const), calls: fc.nat(25) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('restarts' as const), kill: fc.boolean(), delivery }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms }) },
    ),
    { maxLength: 40, size: 'max' },
  );
}

interface Setup {
  /** Begins with what comes, not with what is there. */
  fromNow: boolean;
  /** The inbox is the client's store too, or beside one that forgets. */
  isStore: boolean;
  maxAttempts: number;
  /** How often the handler fails at events whose number can be divided by five. */
  failures: number;
}

/** One process after the other, on one database and one server. */
class Processes {
  readonly db = openDatabase();
  crashes = 0;
  readonly #server: WebhookModelServer;
  readonly #clock: FakeClock;
  readonly #setup: Setup;
  #database: CrashingDatabase | undefined;
  #events: EventsClient | undefined;
  #delivery: ClientDeliveryMode | undefined;
  #gate: Promise<void> | undefined;
  #release: () => void = () => {};
  readonly #failed = new Map<string, number>();

  constructor(server: WebhookModelServer, clock: FakeClock, setup: Setup) {
    this.#server = server;
    this.#clock = clock;
    this.#setup = setup;
  }

  hold(): void {
    this.#gate ??= new Promise((resolve) => (this.#release = resolve));
  }

  release(): void {
    this.#release();
    this.#gate = undefined;
  }

  crashAfter(calls: number): void {
    if (this.#database !== undefined) this.#database.callsLeft = calls;
  }

  kill(): void {
    this.#database?.kill();
  }

  /** Ends the process that is there, and starts the next one. */
  async restart(delivery: ClientDeliveryMode | undefined): Promise<void> {
    this.#delivery = delivery;
    await this.end();
    await this.start();
  }

  /** Starts a process, and another one if it dies at once. */
  async start(): Promise<void> {
    const database = new CrashingDatabase(this.db, () => {
      this.crashes += 1;
      this.#database = undefined;
      this.#server.endpoint = undefined;
      void this.#server.die();
    });
    this.#database = database;
    const receiver = new WebhookReceiver({ clock: this.#clock });
    this.#server.endpoint = receiver.handle;
    const connect = async (): ReturnType<WebhookModelServer['client']> => {
      if (this.#database !== database) throw new Error('dead');
      return this.#server.client();
    };
    const inbox = sqliteInbox(database);
    const { fromNow, isStore, maxAttempts } = this.#setup;
    const events = new EventsClient(connect, {
      clock: this.#clock,
      ...(isStore && { store: inbox }),
      random: () => 1,
      maxBufferedEvents: 5,
      webhook: { receiver, url: BASE_URL },
    });
    this.#events = events;
    try {
      const subscription = await events.subscribe(
        'incident.opened',
        {},
        { from: fromNow ? undefined : 'c0', delivery: this.#delivery },
      );
      const handler = {
        prepare: () => this.#gate,
        handle: ({ eventId }: { eventId: string }, { db }: { db: CrashingDatabase }) => {
          db.prepare('INSERT INTO effects (what) VALUES (?)').run(eventId);
          this.#failSometimes(eventId);
        },
      };
      const onGap = (_gap: unknown, { db }: { db: CrashingDatabase }): void =>
        void db.prepare('INSERT INTO effects (what) VALUES (?)').run('gap');
      subscription.process(handler, { inbox, onGap, maxAttempts }).catch((error: unknown) => {
        if (this.#database === database) throw error;
      });
    } catch (error) {
      if (this.#database === database) throw error;
    }
    await settle();
    await this.replaceIfDead();
  }

  async replaceIfDead(): Promise<void> {
    if (this.#database !== undefined) return;
    await this.end();
    await this.start();
  }

  async end(): Promise<void> {
    // What is left of a process that died does nothing any more.
    await this.#events?.close();
    this.#database = undefined;
    this.#events = undefined;
    this.#server.clientRestarts();
  }

  #failSometimes(eventId: string): void {
    const times = this.#failed.get(eventId) ?? 0;
    if (Number(eventId.slice(1)) % 5 > 0 || times >= this.#setup.failures) return;
    this.#failed.set(eventId, times + 1);
    throw new Error('not this time');
  }
}

interface Outcome {
  server: WebhookModelServer;
  handled: string[];
  parked: string[];
  gaps: number;
  crashes: number;
}

/** Runs the actions, then lets everything arrive. */
async function run(plan: Action[], ordering: Ordering, setup: Setup): Promise<Outcome> {
  const clock = new FakeClock();
  const server = new WebhookModelServer(clock, ordering);
  server.types[0]!['delivery'] = ['webhook', 'push', 'poll'];
  const processes = new Processes(server, clock, setup);
  await processes.start();
  for (const action of plan) {
    if (action.do === 'emit') server.emitted += action.count;
    else if (action.do === 'pump') server.pump(action.count);
    else if (action.do === 'post') for (const pick of action.picks) await server.post(pick, action.noticed);
    else if (action.do === 'abandon') await server.abandon(action.count);
    else if (action.do === 'heartbeat') server.heartbeat();
    else if (action.do === 'drop') server.drop();
    else if (action.do === 'pushBreaks') server.pushWorks = false;
    else if (action.do === 'pushWorks') server.pushWorks = true;
    else if (action.do === 'webhookBreaks') server.subscribeFails = action.code;
    else if (action.do === 'webhookWorks') server.subscribeFails = undefined;
    else if (action.do === 'hold') processes.hold();
    else if (action.do === 'release') processes.release();
    else if (action.do === 'serverRestarts') await server.restart(action.durable);
    else if (action.do === 'crashAfter') processes.crashAfter(action.calls);
    else if (action.do === 'restarts') {
      if (action.kill) processes.kill();
      await processes.restart(action.delivery);
    } else if (action.do === 'wait') {
      await clock.advance(action.ms);
      // Retries come within the time that receivers wait for a missing one.
      await server.retry();
    }
    await settle();
    await processes.replaceIfDead();
  }
  server.pushWorks = true;
  server.subscribeFails = undefined;
  processes.release();
  processes.crashAfter(Infinity);
  await processes.restart(undefined);
  await clock.advance(60_000);
  server.emitted += 1;
  const isDone = (): boolean => read(processes).includes(`e${server.emitted}`);
  for (let round = 0; round < 60 && !isDone(); round += 1) {
    await clock.advance(10_000);
    for (let posts = 0; posts < 4; posts += 1) await server.retry();
    server.pump(10);
    await settle();
    await settle();
  }
  await processes.end();
  expect(clock.pendingTimers).toBe(0);
  const what = effects(processes.db);
  const handled = what.filter((id) => id !== 'gap');
  const outcome = { server, handled, parked: parkedIds(processes), gaps: what.length - handled.length };
  const { crashes } = processes;
  processes.db.close();
  return { ...outcome, crashes };
}

const parkedIds = ({ db }: Processes): string[] =>
  db
    .prepare('SELECT event_id FROM mcp_inbox_parked ORDER BY id')
    .all()
    .map((row: any) => row.event_id);
const read = (processes: Processes): string[] => [...effects(processes.db), ...parkedIds(processes)];
const all = (server: WebhookModelServer): string[] =>
  Array.from({ length: server.emitted }, (_, index) => `e${index + 1}`);
const sorted = (ids: string[]): string[] => ids.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)));

const told: fc.Arbitrary<Ordering> = fc.record({ told: fc.constant(true), remembers: fc.boolean() });
const untold: Ordering = { told: false, remembers: false };
const setups = (maxAttempts: number): fc.Arbitrary<Setup> =>
  fc.record({
    fromNow: fc.constant(false),
    isStore: fc.boolean(),
    maxAttempts: fc.constant(maxAttempts),
    failures: fc.nat(3),
  });

describe('processing, with crashes between any two calls of the database', () => {
  it('ORDER-04 CLIENT-01 CLIENT-06 each event has its effect exactly once and in order, in all three modes', async () => {
    let crashes = 0;
    await fc.assert(
      fc.asyncProperty(actions(false), told, setups(1_000), async (plan, ordering, setup) => {
        const outcome = await run(plan, ordering, setup);
        crashes += outcome.crashes;
        expect(outcome.handled).toEqual(all(outcome.server));
        expect(outcome.gaps).toBe(0);
      }),
      { numRuns: 100 },
    );
    expect(crashes).toBeGreaterThan(30);
  }, 240_000);

  it('CUR-05 G3 from the first position that was stored, nothing is skipped', async () => {
    let handledInAll = 0;
    await fc.assert(
      fc.asyncProperty(actions(false), told, setups(1_000), async (plan, ordering, setup) => {
        const { server, handled } = await run(plan, ordering, { ...setup, fromNow: true });
        expect(handled).toEqual(all(server).slice(-handled.length));
        handledInAll += handled.length;
      }),
      { numRuns: 60 },
    );
    expect(handledInAll).toBeGreaterThan(200);
  }, 240_000);

  it('ORDER-02 ORDER-04 each event has its effect exactly once when the server does not tell the order', async () => {
    await fc.assert(
      fc.asyncProperty(actions(false), setups(1_000), async (plan, setup) => {
        const { server, handled } = await run(plan, untold, setup);
        expect(sorted(handled)).toEqual(all(server));
      }),
      { numRuns: 60 },
    );
  }, 240_000);

  it('G2 each event is handled once or parked once, and the others stay in order', async () => {
    let parkedInAll = 0;
    await fc.assert(
      fc.asyncProperty(actions(false), told, setups(2), async (plan, ordering, setup) => {
        const { server, handled, parked } = await run(plan, ordering, setup);
        parkedInAll += parked.length;
        expect(sorted([...handled, ...parked])).toEqual(all(server));
        expect(handled).toEqual(sorted(handled));
        expect(parked).toEqual(sorted(parked));
      }),
      { numRuns: 100 },
    );
    expect(parkedInAll).toBeGreaterThan(10);
  }, 240_000);

  it('ENV-04 CUR-13 what the server gave up is told, and everything else is handled once', async () => {
    await fc.assert(
      fc.asyncProperty(
        actions(true),
        fc.oneof(told, fc.constant(untold)),
        setups(1_000),
        async (plan, ordering, setup) => {
          const { server, handled, gaps } = await run(plan, ordering, setup);
          expect(new Set(handled).size).toBe(handled.length);
          const missing = all(server).filter((id) => !handled.includes(id));
          expect([...server.lost].map((n) => `e${n}`)).toEqual(expect.arrayContaining(missing));
          if (missing.length > 0) expect(gaps).toBeGreaterThan(0);
        },
      ),
      { numRuns: 60 },
    );
  }, 240_000);
});
