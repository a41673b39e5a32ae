import { startChild } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure } from '../harness/figure.ts';
import { interleave } from '../harness/rounds.ts';
import type { Pair } from '../harness/rounds.ts';
import type { PollReaders, PollRound } from '../readers/polls.ts';
import type { PollAddress, PollServer } from '../servers/pollServer.ts';

const EVENTS = 10_000;
const DATA_BYTES = 200;
const GOAL = { atLeast: 0.9 };

/** Sizes must be equal; contents differ in ids and times. */
function compare({ ours, reference }: Pair<PollRound>): void {
  if (ours.requests === reference.requests && ours.sample.length === reference.sample.length) return;
  throw new Error(`the answers differ:\n${ours.sample.slice(0, 1_000)}\n${reference.sample.slice(0, 1_000)}`);
}

/** Requests answered per second when nothing happened, and while clients that were away catch up. */
export const poll: Benchmark = {
  name: 'poll',
  run: async ({ rounds, quick, nodeOptions }) => {
    const ours = startChild<PollServer>('servers/pollEvents', { nodeOptions });
    const ceiling = startChild<PollServer>('servers/pollCeiling', { nodeOptions });
    const readers = startChild<PollReaders>('readers/polls');
    const start = { events: EVENTS, dataBytes: DATA_BYTES };
    const addresses = { ours: await ours.call('start', start), ceiling: await ceiling.call('start', start) };

    const measure = async (
      plan: (address: PollAddress) => { cursor: string; maxEvents: number; requests: number },
    ): Promise<Pair<PollRound>[]> => {
      const run = (address: PollAddress) => (): Promise<PollRound> =>
        readers.call('run', { port: address.port, method: address.method, ...plan(address) });
      const pairs = await interleave(rounds, run(addresses.ours), run(addresses.ceiling));
      for (const pair of pairs) compare(pair);
      return pairs;
    };
    const rates = (pairs: readonly Pair<PollRound>[], perRequest: number): Pair<number>[] =>
      pairs.map((pair) => ({
        ours: pair.ours.requestsPerSecond * perRequest,
        reference: pair.reference.requestsPerSecond * perRequest,
      }));

    const figures: Figure[] = [];
    const idle = await measure(({ lastCursor }) => ({
      cursor: lastCursor,
      maxEvents: 100,
      requests: quick ? 20 : 150,
    }));
    figures.push(figureOf({ name: 'poll, idle', unit: 'requests/s', goal: GOAL }, rates(idle, 1)));
    for (const maxEvents of [100, 1_000]) {
      const requests = EVENTS / maxEvents;
      const drain = await measure(({ firstCursor }) => ({ cursor: firstCursor, maxEvents, requests }));
      const name = `poll, draining ${EVENTS.toLocaleString('en')} by ${maxEvents}`;
      figures.push(figureOf({ name, unit: 'events/s', goal: GOAL }, rates(drain, maxEvents)));
    }
    for (const child of [ours, ceiling, readers]) await child.close();
    return figures;
  },
};
