import { startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure } from '../harness/figure.ts';
import { interleave } from '../harness/rounds.ts';
import type { Pair } from '../harness/rounds.ts';
import type { PollPlan, PollReaders, PollRound } from '../readers/polls.ts';
import type { PollAddress, PollServer } from '../servers/pollServer.ts';

const EVENTS = 10_000;
const DATA_BYTES = 200;
const GOAL = { atLeast: 0.9 };

interface Side {
  readonly server: Child<PollServer>;
  readonly address: PollAddress;
}

interface Round extends PollRound {
  readonly cpuUsPerRequest: number;
}

async function start(module: string, nodeOptions: readonly string[]): Promise<Side> {
  const server = startChild<PollServer>(module, { nodeOptions });
  return { server, address: await server.call('start', { events: EVENTS, dataBytes: DATA_BYTES }) };
}

/** Sizes must be equal; contents differ in ids and times. */
function compare({ ours, reference }: Pair<PollRound>): void {
  if (ours.requests === reference.requests && ours.sample.length === reference.sample.length) return;
  throw new Error(`the answers differ:\n${ours.sample.slice(0, 1_000)}\n${reference.sample.slice(0, 1_000)}`);
}

/** Requests answered per second when nothing happened, and while clients that were away catch up. */
export const poll: Benchmark = {
  name: 'poll',
  run: async ({ rounds, quick, nodeOptions }) => {
    const ours = await start('servers/pollEvents', nodeOptions);
    const ceiling = await start('servers/pollCeiling', nodeOptions);
    const readers = startChild<PollReaders>('readers/polls');

    type Plan = Pick<PollPlan, 'cursor' | 'maxEvents' | 'requests'>;
    const run = async (
      { server, address: { port, method, ...rest } }: Side,
      plan: (from: PollAddress) => Plan,
    ): Promise<Round> => {
      const before = await server.call('cpuUs');
      const round = await readers.call('run', { port, method, ...plan({ port, method, ...rest }) });
      return { ...round, cpuUsPerRequest: ((await server.call('cpuUs')) - before) / round.requests };
    };
    const measure = async (
      name: string,
      unit: string,
      perRequest: number,
      plan: (from: PollAddress) => Plan,
    ): Promise<Figure[]> => {
      const pairs = await interleave(
        rounds,
        () => run(ours, plan),
        () => run(ceiling, plan),
      );
      for (const pair of pairs) compare(pair);
      const of = (value: (round: Round) => number): Pair<number>[] =>
        pairs.map((pair) => ({ ours: value(pair.ours), reference: value(pair.reference) }));
      return [
        figureOf(
          { name, unit, goal: GOAL },
          of((round) => round.requestsPerSecond * perRequest),
        ),
        figureOf(
          { name: `${name}, server CPU`, unit: 'us/request' },
          of((round) => round.cpuUsPerRequest),
        ),
      ];
    };

    const figures: Figure[] = [];
    const idleRequests = quick ? 20 : 150;
    const idle = ({ lastCursor }: PollAddress): Plan => ({
      cursor: lastCursor,
      maxEvents: 100,
      requests: idleRequests,
    });
    figures.push(...(await measure('poll, idle', 'requests/s', 1, idle)));
    for (const maxEvents of [100, 1_000]) {
      const name = `poll, draining ${EVENTS.toLocaleString('en')} by ${maxEvents}`;
      const drain = ({ firstCursor }: PollAddress): Plan => ({
        cursor: firstCursor,
        maxEvents,
        requests: EVENTS / maxEvents,
      });
      figures.push(...(await measure(name, 'events/s', maxEvents, drain)));
    }
    for (const child of [ours.server, ceiling.server, readers]) await child.close();
    return figures;
  },
};
