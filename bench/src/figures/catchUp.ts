import { startChild } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark } from '../harness/figure.ts';
import type { Pair } from '../harness/rounds.ts';
import type { CatchUpServer } from '../servers/catchUp.ts';

const STREAMS = 10;

/** What the streams that follow get while another catches up: a busy source, and far from all the machine can do. */
const PACE = { eventsPerSecond: 1_000, seconds: 10 };

/** A stream that is a million events behind, beside streams that are not. */
export const catchUp: Benchmark = {
  name: 'catch-up',
  run: async ({ rounds, quick, nodeOptions }) => {
    const events = quick ? 100_000 : 1_000_000;
    const pace = quick ? { ...PACE, seconds: 1 } : PACE;
    const many = startChild<CatchUpServer>('servers/catchUp', { nodeOptions });
    const one = startChild<CatchUpServer>('servers/catchUp', { nodeOptions });
    await many.call('start', { events, streams: STREAMS });
    await one.call('start', { events: 0, streams: 1 });
    const live = { events: quick ? 4_000 : 40_000, burst: 256 };
    const drains: Pair<number>[] = [];
    const follows: Pair<number>[] = [];
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      const reference = await one.call('live', live);
      const undisturbed = await many.call('paced', pace);
      const { drained, followed } = await many.call('drain', pace);
      if (round === 0) continue;
      drains.push({ ours: drained, reference });
      follows.push({ ours: followed, reference: undisturbed });
    }
    await many.close();
    await one.close();
    const behind = events.toLocaleString('en');
    const details = { 'following streams': STREAMS, 'their events/s': pace.eventsPerSecond };
    return [
      figureOf(
        { name: `catching up ${behind} events; reference: live`, unit: 'events/s', goal: { atLeast: 0.5 }, details },
        drains,
      ),
      figureOf(
        { name: 'following meanwhile; reference: undisturbed', unit: 'events/s', goal: { atLeast: 0.9 } },
        follows,
      ),
    ];
  },
};
