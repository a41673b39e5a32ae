import { startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure, RunOptions } from '../harness/figure.ts';
import { interleave } from '../harness/rounds.ts';
import type { Pair } from '../harness/rounds.ts';
import type { PushRound, PushServer } from '../servers/pushServer.ts';

const DATA_BYTES = 1_024;
const MIB = 1024 * 1024;

async function start(streams: number, nodeOptions: readonly string[]): Promise<Child<PushServer>> {
  const child = startChild<PushServer>('servers/pushEvents', { nodeOptions });
  await child.call('start', { dataBytes: DATA_BYTES });
  await child.call('open', streams);
  return child;
}

/** What the other streams get and cost, compared with the same server where everybody reads. */
async function rate({ rounds, quick, nodeOptions }: RunOptions): Promise<Figure[]> {
  const streams = 100;
  const plan = { events: quick ? 640 : 3_840, burst: 64 };
  const disturbed = await start(streams, nodeOptions);
  const undisturbed = await start(streams, nodeOptions);
  await disturbed.call('stall');
  const pairs = await interleave<PushRound>(
    rounds,
    () => disturbed.call('round', plan),
    () => undisturbed.call('round', plan),
  );
  await disturbed.close();
  await undisturbed.close();
  const of = (value: (round: PushRound) => number): Pair<number>[] =>
    pairs.map((pair) => ({ ours: value(pair.ours), reference: value(pair.reference) }));
  const name = 'push, 1 of 100 streams stalled; reference: none';
  return [
    figureOf(
      { name, unit: 'events/s', goal: { atLeast: 0.95 } },
      of((round) => round.deliveriesPerSecond),
    ),
    figureOf(
      { name: `${name}, server CPU`, unit: 'us/event' },
      of((round) => round.cpuUsPerDelivery),
    ),
  ];
}

/**
 * Resident memory after many events that one stream does not read, compared with that after half of them: flat means
 * that more unread events take no more memory. What the heap grew to under load before that is in the details.
 */
async function growth({ quick, nodeOptions }: RunOptions): Promise<Figure> {
  const streams = 10;
  const events = quick ? 20_480 : 204_800;
  const plan = { burst: 64, events: events / 10 };
  const child = await start(streams, [...nodeOptions, '--expose-gc']);
  // Fills the log, whose size is no growth.
  await child.call('round', { burst: 64, events: 20_480 });
  await child.call('stall');
  const before = await child.call('memory');
  let half = before;
  let peakRssBytes = 0;
  for (let part = 0; part < 10; part++) {
    if (part === 5) half = await child.call('memory');
    const round = await child.call('round', plan);
    peakRssBytes = Math.max(peakRssBytes, round.peakRssBytes);
  }
  const after = await child.call('memory');
  await child.close();
  const pair = { ours: after.rssBytes / MIB, reference: half.rssBytes / MIB };
  const details = {
    'unread events': events,
    'unread MiB': (events * DATA_BYTES) / MIB,
    'RSS before, MiB': before.rssBytes / MIB,
    'growth of held memory, MiB': (after.heldBytes - before.heldBytes) / MIB,
    'peak RSS, MiB': peakRssBytes / MIB,
  };
  const name = 'push, RSS with 1 of 10 streams stalled; reference: after half';
  return figureOf({ name, unit: 'MiB', goal: { atMost: 1.15 }, details }, [pair]);
}

/** One reader that stops reading must cost neither memory nor the others' rate. */
export const stalled: Benchmark = {
  name: 'stalled',
  run: async (options) => [...(await rate(options)), await growth(options)],
};
