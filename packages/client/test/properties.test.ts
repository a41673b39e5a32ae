import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ClientDeliveryMode, EventsClient, memoryStore } from '../src/index.ts';
import { Application } from './support/application.ts';
import { FakeClock, settle } from './support/fakeClock.ts';
import { ModelServer } from './support/modelServer.ts';

type Action =
  | { do: 'emit' | 'pump' | 'take' | 'repeat'; count: number }
  | { do: 'heartbeat' | 'drop' | 'crashServer' | 'pushBreaks' | 'pushWorks' }
  | { do: 'restart'; delivery: ClientDeliveryMode | undefined }
  | { do: 'wait'; ms: number };

const delivery = fc.constantFrom<ClientDeliveryMode | undefined>('push', 'poll', undefined);

function actions(restarts: boolean): fc.Arbitrary<Action[]> {
  const counted = (kind: 'emit' | 'pump' | 'take' | 'repeat', max: number): fc.Arbitrary<Action> =>
    fc.record({ do: fc.constant(kind), count: fc.integer({ min: 0, max }) });
  const plain = ['heartbeat', 'drop', 'crashServer', 'pushBreaks', 'pushWorks'] as const;
  const start = fc.record({ do: fc.constant('restart' as const), delivery });
  const steps = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: counted('emit', 6) },
      { weight: 4, arbitrary: counted('pump', 8) },
      { weight: 4, arbitrary: counted('take', 5) },
      { weight: 2, arbitrary: counted('repeat', 8) },
      { weight: 3, arbitrary: fc.record({ do: fc.constantFrom(...plain) }) },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 12_000 }) }),
      },
      { weight: restarts ? 3 : 0, arbitrary: start },
    ),
    { maxLength: 40, size: 'max' },
  );
  return fc.tuple(start, steps).map(([first, rest]) => [first, ...rest]);
}

/** Runs the actions, then lets everything arrive, and returns all ids the application handled. */
async function run(plan: Action[]): Promise<{ server: ModelServer; handled: string[]; stored: unknown }> {
  const server = new ModelServer();
  const clock = new FakeClock();
  const store = memoryStore();
  const start = (): EventsClient =>
    new EventsClient(() => server.client(), { clock, store, random: () => 1, maxBufferedEvents: 5 });
  let events = start();
  await events.subscribe('incident.opened', {}, { from: 'c0' });
  const application = new Application();
  for (const action of plan) {
    if (action.do === 'emit') server.emitted += action.count;
    else if (action.do === 'pump') server.pump(action.count);
    else if (action.do === 'take') await application.take(action.count);
    else if (action.do === 'repeat') server.repeat(action.count);
    else if (action.do === 'heartbeat') server.heartbeat();
    else if (action.do === 'drop') server.drop();
    else if (action.do === 'crashServer') await server.crash();
    else if (action.do === 'pushBreaks') server.pushWorks = false;
    else if (action.do === 'pushWorks') server.pushWorks = true;
    else if (action.do === 'wait') await clock.advance(action.ms);
    else if (action.do === 'restart') {
      await events.close();
      server.clientRestarts();
      events = start();
      const [resumed] = await events.resume(() => ({ delivery: action.delivery }));
      application.restart(resumed!);
    }
    await settle();
  }
  server.emitted += 1;
  server.pushWorks = true;
  for (let round = 0; round < 40 && application.handled.length < server.emitted; round += 1) {
    await clock.advance(10_000);
    server.pump(10);
    await application.take(10);
  }
  const stored = await store.list();
  await events.close();
  expect(clock.pendingTimers).toBe(0);
  return { server, handled: application.handled, stored };
}

const all = (server: ModelServer): string[] => Array.from({ length: server.emitted }, (_, index) => `e${index + 1}`);

describe('properties', () => {
  it('ORDER-04 CLIENT-06 the application handles each event once and in order, through repetitions, reconnects and mode switches', async () => {
    await fc.assert(
      fc.asyncProperty(actions(false), async (plan) => {
        const { server, handled, stored } = await run(plan);
        expect(handled).toEqual(all(server));
        expect(stored).toMatchObject([{ cursor: `c${server.emitted}` }]);
      }),
      { numRuns: 100 },
    );
  }, 120_000);

  it('CLIENT-01 POLL-09 a client restarted at any point skips nothing and repeats nothing acknowledged', async () => {
    await fc.assert(
      fc.asyncProperty(actions(true), async (plan) => {
        const { server, handled } = await run(plan);
        expect(handled).toEqual(all(server));
      }),
      { numRuns: 100 },
    );
  }, 120_000);
});
