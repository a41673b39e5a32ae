import { serve } from '../harness/child.ts';

/** The part of the server package under test. It is no public export, so its file is named. */
interface Watermark {
  begin(positionAfter: string): number;
  settle(ticket: number): void;
  readonly cursor: string | null;
}

export interface WatermarkBench {
  /** Time per delivery begun and acknowledged, in random order, while this many are outstanding. */
  nsPerAcknowledgement(options: { outstanding: number; count: number }): Promise<number>;
}

const path = new URL('delivery/webhook/watermark.js', import.meta.resolve('@mcp-events/server')).href;
const { Watermark } = (await import(path)) as { Watermark: new (cursor: string) => Watermark };

/** A small generator with a fixed seed: the same order of acknowledgements in every run. */
function sequence(): () => number {
  let state = 42;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
}

serve<WatermarkBench>({
  nsPerAcknowledgement: async ({ outstanding, count }) => {
    const watermark = new Watermark('0');
    const next = sequence();
    const picks = Uint32Array.from({ length: count }, () => next() % outstanding);
    const tickets = Array.from({ length: outstanding }, () => watermark.begin('0'));
    const startNs = process.hrtime.bigint();
    for (let index = 0; index < count; index++) {
      const pick = picks[index] as number;
      watermark.settle(tickets[pick] as number);
      tickets[pick] = watermark.begin('1');
    }
    return Number(process.hrtime.bigint() - startNs) / count;
  },
});
