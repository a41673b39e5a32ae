import { startChild } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark } from '../harness/figure.ts';
import { interleave } from '../harness/rounds.ts';
import type { WatermarkBench } from '../servers/watermark.ts';

const FEW = 10;
const OUTSTANDING = [100, 1_000, 10_000];

/** Bookkeeping of one acknowledgement, which must not depend on how many deliveries are outstanding. */
export const acknowledgement: Benchmark = {
  name: 'acknowledgement',
  run: async ({ rounds, quick, nodeOptions }) => {
    const child = startChild<WatermarkBench>('servers/watermark', { nodeOptions });
    const count = quick ? 100_000 : 1_000_000;
    const figures = [];
    for (const outstanding of OUTSTANDING) {
      const pairs = await interleave(
        rounds,
        () => child.call('nsPerAcknowledgement', { outstanding, count }),
        () => child.call('nsPerAcknowledgement', { outstanding: FEW, count }),
      );
      const name = `acknowledgement, ${outstanding.toLocaleString('en')} outstanding; reference: ${FEW}`;
      figures.push(figureOf({ name, unit: 'ns', goal: { atMost: 2 } }, pairs));
    }
    await child.close();
    return figures;
  },
};
