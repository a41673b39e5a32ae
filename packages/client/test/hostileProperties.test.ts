import { Methods, Notifications } from '@mcp-events/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { memoryStore, type SubscribeOptions, type Subscription } from '../src/index.ts';
import { sqliteInbox } from '../src/sqlite.ts';
import { FakeClock } from './support/fakeClock.ts';
import { FakeReceiver } from './support/fakeReceiver.ts';
import { addEffect, openDatabase } from './support/processWorld.ts';
import { eventType, occurrence, pending, RawServer, RpcFailure } from './support/rawServer.ts';
import { BASE_URL } from './support/webhookWorld.ts';
import { settle, world } from './support/world.ts';

const JUNK: unknown[] = [null, undefined, 0, -1, 1e15, '', 'x', [], {}, true, { deep: [[]] }];
const CODES = [-32603, -32602, -32023, -32024, -32025, -32026, -32027, -32601, -1];
const MODES = [['push', 'poll'], ['webhook', 'push', 'poll'], ['poll'], ['push'], ['webhook']];
const actions = [
  ...['subscribe', 'resume', 'next', 'next', 'next', 'acknowledge', 'stop', 'leave', 'cancel', 'process'],
  ...['event', 'event', 'event', 'active', 'heartbeat', 'malformed', 'error', 'terminated', 'end', 'die'],
  ...['post', 'post', 'post', 'gap', 'postTerminated', 'time', 'time', 'time'],
] as const;

/** Choices that follow from one number. */
class Choices {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  readonly next = (): number => {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  };

  of<T>(values: readonly T[]): T {
    return values[Math.floor(this.next() * values.length)] as T;
  }

  in(percent: number): boolean {
    return this.next() * 100 < percent;
  }
}

/** A server that answers anything, and what it sends of its own. */
class HostileServer extends RawServer {
  readonly clock = new FakeClock();
  readonly receiver = new FakeReceiver();
  readonly #choose: Choices;
  #events = 0;

  constructor(choose: Choices) {
    super();
    this.#choose = choose;
    this.types = [eventType('incident.opened', choose.of(MODES))];
    const answers: Record<string, () => unknown> = {
      [Methods.list]: () => ({ events: choose.in(95) ? this.types : [] }),
      [Methods.poll]: () => ({
        events: this.#or(Array.from({ length: Math.floor(choose.next() * 5) }, () => this.#event())),
        cursor: this.#or(this.#cursor()),
        truncated: this.#or(choose.in(20)),
        hasMore: this.#or(choose.in(30)),
        nextPollMs: this.#or(5_000),
      }),
      [Methods.subscribe]: () => ({
        id: this.#or('sub_1'),
        refreshBefore: this.#or(new Date(this.clock.now() + choose.next() * 4e6).toISOString()),
        cursor: this.#or(this.#cursor()),
        truncated: this.#or(choose.in(20)),
      }),
      [Methods.unsubscribe]: () => ({}),
    };
    for (const [method, answer] of Object.entries(answers)) {
      this.on(method, () => {
        if (choose.in(15)) throw new RpcFailure(choose.of(CODES), choose.of([undefined, { reason: 'schema_changed' }]));
        return choose.in(5) ? pending : answer();
      });
    }
    this.on(Methods.stream, (request) => {
      if (choose.in(20)) throw new RpcFailure(choose.of(CODES));
      return choose.in(70) ? this.accepts(request) : pending;
    });
  }

  async act(action: (typeof actions)[number]): Promise<unknown> {
    const choose = this.#choose;
    const stream = this.streams().findLast(({ request }) => !this.cancelled.includes(request.id));
    const callback = this.receiver.callbacks.findLast(({ open }) => open);
    const code = choose.of(CODES);
    const position = `p${this.#events}`;
    const order = choose.of([undefined, { position, previous: choose.of([null, `p${this.#events - 1}`, 'p0']) }]);
    switch (action) {
      case 'event':
        return stream?.notify(Notifications.event, { ...(this.#event() as object), cursor: this.#or(this.#cursor()) });
      case 'active':
        return stream?.active(this.#cursor(), choose.in(30));
      case 'heartbeat':
        return stream?.heartbeat(this.#cursor());
      case 'malformed': {
        const method = choose.of(Object.values(Notifications));
        return stream?.notify(method, { cursor: choose.of(JUNK), truncated: choose.of(JUNK), error: choose.of(JUNK) });
      }
      case 'error':
        return stream?.error(code);
      case 'terminated':
        return stream?.terminated(code);
      case 'end':
        return stream?.end();
      case 'die':
        return this.die();
      case 'post':
        return callback?.event(`e${(this.#events += 1)}`, this.#cursor(), order);
      case 'gap':
        return callback?.gap(`c${this.#events}`);
      case 'postTerminated':
        return callback?.terminated(code);
      default:
        return undefined;
    }
  }

  #cursor(): string | null {
    return this.#choose.of([null, 'c0', `c${this.#events}`, `c${this.#events}`]);
  }

  #event(): unknown {
    return this.#or(occurrence(`e${this.#choose.in(80) ? (this.#events += 1) : 1}`));
  }

  #or(value: unknown): unknown {
    return this.#choose.in(90) ? value : this.#choose.of(JUNK);
  }
}

it('CLIENT-20 CLIENT-26 whatever a server and an application do, every call and close() end, no timer stays, and what is stored can be read', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.array(fc.constantFrom(...actions), { minLength: 20, maxLength: 60 }),
      async (seed, steps) => {
        const choose = new Choices(seed);
        const server = new HostileServer(choose);
        const { clock, receiver } = server;
        const db = openDatabase();
        const inbox = sqliteInbox(db);
        const store = choose.in(40) ? inbox : memoryStore();
        const { events } = await world({
          server,
          clock,
          store,
          random: choose.next,
          maxBufferedEvents: choose.of([2, 10, 1_000]),
          ...(choose.in(70) && { webhook: { receiver, url: BASE_URL, rotateSecretAfterMs: 1_000 } }),
        });
        let subscription: Subscription | undefined;
        const calls: Promise<unknown>[] = [];
        const act = async (action: (typeof actions)[number]): Promise<unknown> => {
          switch (action) {
            case 'subscribe':
              return (subscription = await events.subscribe('incident.opened', {}, options()));
            case 'resume':
              return choose.in(30) && events.resume(options as never);
            case 'next':
              return subscription?.next();
            case 'acknowledge':
              return subscription?.acknowledge();
            case 'stop':
              return choose.in(30) && subscription?.stop();
            case 'leave':
              return choose.in(20) && subscription?.return();
            case 'cancel':
              return choose.in(20) && subscription?.cancel();
            case 'process':
              return choose.in(30) && subscription?.process(handle, { inbox, maxAttempts: 2 });
            default:
              return server.act(action);
          }
        };
        const raise = (percent: number): void => {
          if (choose.in(percent)) throw choose.of([null, Object.create(null), new Error('x')]);
        };
        const within = async (): Promise<void> => {
          await choose.of([undefined, undefined, () => subscription?.acknowledge(), () => subscription?.stop()])?.();
          if (choose.in(5)) void subscription?.cancel().catch(() => {});
          raise(10);
        };
        const handle = (event: { eventId: string }): void => {
          raise(20);
          addEffect(db, event.eventId);
          event.eventId = '';
        };
        function options(): SubscribeOptions {
          const filter = async (): Promise<boolean> => within().then(() => choose.in(70));
          return {
            from: choose.of([undefined, 'c0', null]),
            ...(choose.in(30) && { filter }),
            onGap: within,
            onStatus: () => raise(10),
            onError: () => raise(10),
            onTerminated: () => choose.in(30) && void subscription?.cancel().catch(() => {}),
          };
        }
        for (const step of steps) {
          if (step === 'time') await clock.advance(choose.of([10, 1_000, 10_000, 120_000, 4_000_000]));
          else calls.push(act(step).catch(() => {}));
          await settle(3);
        }
        let isClosed = false;
        void events.close().then(() => (isClosed = true));
        // A server that does not answer is waited for when a subscription is ended there.
        await clock.advance(5_000);
        let open = calls.length;
        for (const call of calls) void call.then(() => (open -= 1));
        await settle();
        expect([isClosed, open, clock.pendingTimers]).toEqual([true, 0, 0]);
        for (const { cursor, seen } of await store.list()) {
          expect([cursor ?? '', ...seen].every((text) => typeof text === 'string')).toBe(true);
        }
        db.close();
      },
    ),
    { numRuns: 40 },
  );
});
