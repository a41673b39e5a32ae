import { startChild } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure } from '../harness/figure.ts';
import { interleave } from '../harness/rounds.ts';
import type { Emitters } from '../servers/emitters.ts';

/** Events per round: about a second's worth. */
const CASES = [
  { emitters: 1, events: 3_000 },
  { emitters: 10, events: 20_000 },
  { emitters: 100, events: 60_000 },
];

/** Events that are on disk when `emit` resolves, compared with bare inserts in transactions of the same size. */
export const durableEmit: Benchmark = {
  name: 'durable-emit',
  run: async ({ rounds, quick, nodeOptions }) => {
    const figures: Figure[] = [];
    for (const { emitters, events } of CASES) {
      const plan = { emitters, events: quick ? events / 10 : events };
      for (const retains of [false, true]) {
        const module = retains ? 'servers/retainedEmits' : 'servers/durableEmits';
        const ours = startChild<Emitters>(module, { nodeOptions });
        const ceiling = startChild<Emitters>('servers/bareInserts', { nodeOptions });
        const pairs = await interleave(
          rounds,
          () => ours.call('emit', plan),
          () => ceiling.call('emit', plan),
        );
        await ours.close();
        await ceiling.close();
        const name = `durable emit, ${emitters} emitter${emitters === 1 ? '' : 's'}`;
        if (retains) figures.push(figureOf({ name: `${name}, keeping 10,000 events`, unit: 'events/s' }, pairs));
        else figures.push(figureOf({ name, unit: 'events/s', goal: { atLeast: 0.7 } }, pairs));
      }
    }
    return figures;
  },
};
