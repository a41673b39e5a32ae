import { startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure, RunOptions } from '../harness/figure.ts';
import { interleave } from '../harness/rounds.ts';
import type { WebhookServer } from '../servers/webhookServer.ts';

interface Case {
  readonly subscriptions: number;
  /** Events per round: several seconds' worth, one by one. */
  readonly events: number;
  /** Events per turn of the event loop. */
  readonly burst: number;
  /** Every so many-th request is answered with 503, and tried again after about 50 ms. */
  readonly failEvery: number;
}

const CASES: readonly Case[] = [
  { subscriptions: 1, events: 4_000, burst: 64, failEvery: 0 },
  { subscriptions: 1, events: 4_000, burst: 64, failEvery: 100 },
  { subscriptions: 100, events: 200, burst: 4, failEvery: 0 },
  { subscriptions: 100, events: 200, burst: 4, failEvery: 100 },
];

async function measure(each: Case, { rounds, quick, nodeOptions }: RunOptions): Promise<Figure[]> {
  const { subscriptions, failEvery, burst } = each;
  const start = async (ordered: boolean): Promise<Child<WebhookServer>> => {
    const child = startChild<WebhookServer>('servers/webhookEvents', { nodeOptions });
    await child.call('start', { dataBytes: 200, hosts: 1, failEvery, ordered });
    await child.call('subscribe', subscriptions);
    return child;
  };
  const ours = await start(true);
  const parallel = await start(false);
  const plan = { events: Math.max(20, quick ? each.events / 10 : each.events), burst };
  const rates = await interleave(
    rounds,
    () => ours.call('round', plan),
    () => parallel.call('round', plan),
  );
  const pacing = { events: quick ? 40 : 200, everyMs: 20 };
  const latencies = await interleave(
    rounds,
    () => ours.call('paced', pacing),
    () => parallel.call('paced', pacing),
  );
  await ours.close();
  await parallel.close();
  const of = `${subscriptions} subscription${subscriptions === 1 ? '' : 's'}`;
  const name = `webhook in order, ${of}${failEvery === 0 ? '' : `, ${100 / failEvery} % failing`}`;
  return [
    figureOf(
      { name, unit: 'deliveries/s' },
      rates.map((pair) => ({ ours: pair.ours.deliveriesPerSecond, reference: pair.reference.deliveriesPerSecond })),
    ),
    figureOf(
      { name: `${name}, p99 latency at 50 events/s`, unit: 'ms' },
      latencies.map((pair) => ({ ours: pair.ours.p99Ms, reference: pair.reference.p99Ms })),
    ),
    figureOf(
      { name: `${name}, median latency at 50 events/s`, unit: 'ms' },
      latencies.map((pair) => ({ ours: pair.ours.medianMs, reference: pair.reference.medianMs })),
    ),
  ];
}

/** What order on the wire costs: one delivery of a subscription at a time, beside several. */
export const ordered: Benchmark = {
  name: 'ordered',
  run: async (options) => {
    const figures: Figure[] = [];
    for (const each of CASES) figures.push(...(await measure(each, options)));
    return figures;
  },
};
