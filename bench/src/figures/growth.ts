import { startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure, RunOptions } from '../harness/figure.ts';
import { plot } from '../harness/plot.ts';
import type { Series } from '../harness/plot.ts';
import { writeResult } from '../harness/report.ts';
import { interleave } from '../harness/rounds.ts';
import type { GrowthServer } from '../servers/growth.ts';

const SMALL = 1_000;

/** Subscriptions there are when the number of matches grows. */
const FOR_MATCHES = 10_000;

async function start(
  subscriptions: number,
  matches: number,
  nodeOptions: readonly string[],
): Promise<Child<GrowthServer>> {
  const child = startChild<GrowthServer>('servers/growth', {
    nodeOptions: [...nodeOptions, '--max-old-space-size=12288'],
  });
  await child.call('start', { subscriptions, matches });
  return child;
}

interface Growth {
  readonly name: string;
  readonly reference: { readonly subscriptions: number; readonly matches: number };
  readonly sizes: readonly { readonly x: number; readonly subscriptions: number; readonly matches: number }[];
}

async function measure({ name, reference, sizes }: Growth, options: RunOptions): Promise<[Figure[], Series]> {
  const { rounds, quick, nodeOptions } = options;
  const emits = quick ? 200 : 2_000;
  const small = await start(reference.subscriptions, reference.matches, nodeOptions);
  const figures: Figure[] = [];
  const points: [number, number][] = [];
  for (const { x, subscriptions, matches } of sizes) {
    const large = await start(subscriptions, matches, nodeOptions);
    const pairs = await interleave(
      rounds,
      () => large.call('emit', emits),
      () => small.call('emit', emits),
    );
    await large.close();
    const figure = figureOf(
      { name: `${name} ${x.toLocaleString('en')}; reference: the least`, unit: 'us/emit' },
      pairs,
    );
    figures.push(figure);
    points.push([x, figure.ours]);
    if (points.length === 1) points.unshift([name === 'emit, matches' ? reference.matches : SMALL, figure.reference]);
  }
  await small.close();
  return [figures, { name, points }];
}

/** How the time of an emit grows with the number of subscriptions, and with the number it is for. */
export const growth: Benchmark = {
  name: 'growth',
  run: async (options) => {
    const counts = options.quick ? [10_000] : [10_000, 100_000, 1_000_000];
    const [bySubscriptions, subscriptionSeries] = await measure(
      {
        name: 'emit, subscriptions',
        reference: { subscriptions: SMALL, matches: 1 },
        sizes: counts.map((count) => ({ x: count, subscriptions: count, matches: 1 })),
      },
      options,
    );
    const [byMatches, matchSeries] = await measure(
      {
        name: 'emit, matches',
        reference: { subscriptions: FOR_MATCHES, matches: 1 },
        sizes: [10, 100].map((matches) => ({ x: matches, subscriptions: FOR_MATCHES, matches })),
      },
      options,
    );
    writeResult(
      'growth.svg',
      plot({
        title: 'Time of an emit',
        xLabel: 'subscriptions, or matches',
        yLabel: 'us',
        series: [subscriptionSeries, matchSeries],
      }),
    );
    return [...bySubscriptions, ...byMatches];
  },
};
