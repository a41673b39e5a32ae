import { serve } from '../harness/child.ts';
import { benchData, textFor } from './author.ts';
import type { BenchData } from './author.ts';

export interface Emitters {
  /** Events per second with this many emitters, each of which waits until its event is stored before the next. */
  emit(plan: { emitters: number; events: number }): Promise<number>;
}

const DATA_BYTES = 200;

/** Runs an implementation of durable emits as a process. */
export function serveEmitters(emit: (data: BenchData) => Promise<unknown>): void {
  const text = textFor(DATA_BYTES);
  let next = 0;
  serve<Emitters>({
    emit: async ({ emitters, events }) => {
      const end = next + events;
      const startNs = process.hrtime.bigint();
      await Promise.all(
        Array.from({ length: emitters }, async () => {
          while (next < end) await emit(benchData(next++, text));
        }),
      );
      return events / (Number(process.hrtime.bigint() - startNs) / 1e9);
    },
  });
}
