import { serve } from '../harness/child.ts';

/** The part of the server package under test. It is no public export, so its file is named. */
interface Watermark {
  begin(positionAfter: string): number;
  settle(ticket: number, isEvent: boolean): void;
  readonly cursor: string | null;
}

export interface WatermarkBench {
  /**
   * Time per delivery begun and acknowledged while this many are outstanding. Each batch of that size is acknowledged in
   * random order while the next one begins.
   */
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

/** Every place of a batch once. */
function shuffled(length: number, random: () => number): Uint32Array {
  const places = Uint32Array.from({ length }, (_, index) => index);
  for (let index = length - 1; index > 0; index--) {
    const other = random() % (index + 1);
    const place = places[index] as number;
    places[index] = places[other] as number;
    places[other] = place;
  }
  return places;
}

serve<WatermarkBench>({
  nsPerAcknowledgement: async ({ outstanding, count }) => {
    const watermark = new Watermark('0');
    const order = shuffled(outstanding, sequence());
    for (let ticket = 0; ticket < outstanding; ticket++) watermark.begin('0');
    const startNs = process.hrtime.bigint();
    for (let batch = 0; batch < count; batch += outstanding) {
      for (const place of order) {
        watermark.settle(batch + place, true);
        watermark.begin('1');
      }
    }
    return Number(process.hrtime.bigint() - startNs) / count;
  },
});
