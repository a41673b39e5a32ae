import { startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure } from '../harness/figure.ts';
import { interleave } from '../harness/rounds.ts';
import type { SubscriptionServer } from '../servers/subscriptions.ts';

const SMALL = 1_000;

async function start(count: number, nodeOptions: readonly string[]): Promise<Child<SubscriptionServer>> {
  const child = startChild<SubscriptionServer>('servers/subscriptions', {
    nodeOptions: [...nodeOptions, '--max-old-space-size=8192'],
  });
  for (let open = 0; open < count; open += SMALL) await child.call('open', SMALL);
  return child;
}

/** Time of an emit that concerns one of many subscriptions, compared with one of a thousand. */
export const match: Benchmark = {
  name: 'match',
  run: async ({ rounds, quick, nodeOptions }) => {
    const figures: Figure[] = [];
    const small = await start(SMALL, nodeOptions);
    const emits = quick ? 1_000 : 10_000;
    for (const count of quick ? [10_000] : [10_000, 100_000]) {
      const large = await start(count, nodeOptions);
      const pairs = await interleave(
        rounds,
        () => large.call('emit', emits),
        () => small.call('emit', emits),
      );
      await large.close();
      const name = `emit to 1 of ${count.toLocaleString('en')} subscriptions; reference: 1 of ${SMALL.toLocaleString('en')}`;
      figures.push(figureOf({ name, unit: 'us/emit', goal: { atMost: 1.5 } }, pairs));
    }
    await small.close();
    return figures;
  },
};
