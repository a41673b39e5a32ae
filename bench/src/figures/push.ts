import { startChild } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure, RunOptions } from '../harness/figure.ts';
import { interleave, median } from '../harness/rounds.ts';
import type { Pair } from '../harness/rounds.ts';
import { maskFrame } from '../servers/frames.ts';
import type { PushRound, PushServer } from '../servers/pushServer.ts';

interface Case {
  readonly streams: number;
  /** Events per round: about a second's worth. */
  readonly events: number;
  /** Events per turn of the event loop. */
  readonly burst: number;
}

const CASES: readonly Case[] = [
  { streams: 1, events: 150_000, burst: 256 },
  { streams: 100, events: 6_400, burst: 64 },
  { streams: 1_000, events: 480, burst: 16 },
];

const DATA_BYTES = 200;

async function measure(
  { streams, events, burst }: Case,
  { rounds, quick, nodeOptions }: RunOptions,
): Promise<Figure[]> {
  const ours = startChild<PushServer>('servers/pushEvents', { nodeOptions });
  const ceiling = startChild<PushServer>('servers/pushCeiling', { nodeOptions });
  const plan = { events: quick ? events / 10 : events, burst };
  for (const child of [ours, ceiling]) {
    await child.call('start', { dataBytes: DATA_BYTES });
    await child.call('open', streams);
  }
  const pairs = await interleave<PushRound>(
    rounds,
    () => ours.call('round', plan),
    () => ceiling.call('round', plan),
  );
  const samples = [maskFrame(await ours.call('sample')), maskFrame(await ceiling.call('sample'))];
  if (samples[0] !== samples[1]) throw new Error(`the frames differ:\n${samples.join('\n')}`);
  await ours.close();
  await ceiling.close();
  const of = (value: (round: PushRound) => number): Pair<number>[] =>
    pairs.map((pair) => ({ ours: value(pair.ours), reference: value(pair.reference) }));
  const name = `push, ${streams} stream${streams === 1 ? '' : 's'}`;
  const details = {
    'events per round': plan.events,
    'events per turn': burst,
    'CPU share of ours': median(pairs.map((pair) => pair.ours.cpuShare)),
    'of the ceiling': median(pairs.map((pair) => pair.reference.cpuShare)),
  };
  return [
    figureOf(
      { name, unit: 'events/s', goal: { atLeast: 0.8 }, details },
      of((round) => round.deliveriesPerSecond),
    ),
    figureOf(
      { name: `${name}, server CPU`, unit: 'us/event' },
      of((round) => round.cpuUsPerDelivery),
    ),
  ];
}

/** Delivered events per second, and what one costs the server. */
export const push: Benchmark = {
  name: 'push',
  run: async (options) => {
    const figures: Figure[] = [];
    for (const each of CASES) figures.push(...(await measure(each, options)));
    return figures;
  },
};
