import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark } from '../harness/figure.ts';
import { median } from '../harness/rounds.ts';
import type { Callbacks } from '../readers/callbacks.ts';
import type { RestartServer } from '../servers/restart.ts';

/** Seconds until the first request is answered, the start of the process included. */
const READY_S = 2;
/** Seconds from then to the first delivery. */
const FIRST_DELIVERY_S = 1;
const KIB_PER_SUBSCRIPTION = 2.5;

interface Restart {
  readonly readyS: number;
  readonly firstDeliveryS: number;
  readonly restoredS: number;
  readonly deliveredS: number;
  readonly heldBytes: number;
  readonly rssBytes: number;
}

/** What a server is like that finds 100,000 webhook subscriptions and 1,000,000 events in its file. */
export const restart: Benchmark = {
  name: 'restart',
  run: async ({ rounds, quick, nodeOptions }) => {
    const subscriptions = quick ? 10_000 : 100_000;
    const events = quick ? 100_000 : 1_000_000;
    const behind = subscriptions / 100;
    const directory = await mkdtemp(join(tmpdir(), 'mcp-events-bench-'));
    const receivers = startChild<Callbacks>('readers/callbacks');
    try {
      const { port } = await receivers.call('listen');
      const origin = `http://127.0.0.1:${port}`;
      const start = (): Child<RestartServer> =>
        startChild<RestartServer>('servers/restart', { nodeOptions: [...nodeOptions, '--expose-gc'] });

      const leave = async (name: string, count: number): Promise<string> => {
        const file = join(directory, name);
        const child = start();
        const left = { file, origin, subscriptions: count, events, behind: Math.min(behind, count) };
        await child.call('prepare', left);
        await child.close();
        return file;
      };
      const measure = async (left: string, count: number): Promise<Restart> => {
        // What was delivered is stored: every round begins with what a run left, in a folder without the write-ahead log of
        // the round before.
        const folder = await mkdtemp(join(directory, 'round-'));
        const file = join(folder, 'events.db');
        await copyFile(left, file);
        const arrivals = receivers.call('expect', { deliveries: behind, latencies: false });
        const startNs = process.hrtime.bigint();
        const child = start();
        const { readyAtNs } = await child.call('start', { file, origin });
        const since = (atNs: string, fromNs: bigint): number => Number(BigInt(atNs) - fromNs) / 1e9;
        const readyNs = BigInt(readyAtNs);
        const { restoredAtNs } = await child.call('restored', count);
        const { firstAtNs, finishedAtNs } = await arrivals;
        const memory = await child.call('memory');
        await child.close();
        await rm(folder, { recursive: true });
        return {
          readyS: since(readyAtNs, startNs),
          firstDeliveryS: since(firstAtNs, readyNs),
          restoredS: since(restoredAtNs, readyNs),
          deliveredS: since(finishedAtNs, readyNs),
          ...memory,
        };
      };

      const file = await leave('many.db', subscriptions);
      const restarts: Restart[] = [];
      for (let round = 0; round < rounds; round++) restarts.push(await measure(file, subscriptions));
      const of = (value: (restart: Restart) => number, reference: number): { ours: number; reference: number }[] =>
        restarts.map((each) => ({ ours: value(each), reference }));
      const fewer = await measure(await leave('few.db', behind), behind);
      const held = of(
        ({ heldBytes }) => (heldBytes - fewer.heldBytes) / (subscriptions - behind) / 1024,
        KIB_PER_SUBSCRIPTION,
      );
      const what = `${subscriptions.toLocaleString('en')} subscriptions, ${events.toLocaleString('en')} events`;
      const goal = { atMost: 1 };
      return [
        figureOf(
          {
            name: `restart with ${what}: ready; reference: the goal`,
            unit: 's',
            goal,
            details: { 'all live after, s': median(restarts.map(({ restoredS }) => restoredS)) },
          },
          of(({ readyS }) => readyS, READY_S),
        ),
        figureOf(
          {
            name: 'first delivery after that; reference: the goal',
            unit: 's',
            goal,
            details: {
              'all that was due delivered after, s': median(restarts.map(({ deliveredS }) => deliveredS)),
              behind,
            },
          },
          of(({ firstDeliveryS }) => firstDeliveryS, FIRST_DELIVERY_S),
        ),
        figureOf(
          {
            name: 'memory per restored idle subscription; reference: the goal',
            unit: 'KiB',
            goal,
            details: { 'RSS, MiB': median(restarts.map(({ rssBytes }) => rssBytes)) / 1024 / 1024 },
          },
          held,
        ),
      ];
    } finally {
      await receivers.close();
      await rm(directory, { recursive: true, force: true });
    }
  },
};
