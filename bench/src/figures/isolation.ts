import { startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure, RunOptions } from '../harness/figure.ts';
import { interleave } from '../harness/rounds.ts';
import type { WebhookServer } from '../servers/webhookServer.ts';

const HOSTS = 100;
const SUBSCRIPTIONS = 200;

async function start(hanging: number, refusing: number, nodeOptions: readonly string[]): Promise<Child<WebhookServer>> {
  const child = startChild<WebhookServer>('servers/webhookEvents', { nodeOptions });
  await child.call('start', { dataBytes: 200, hosts: HOSTS - 20 + hanging + refusing, hanging, refusing });
  await child.call('subscribe', (SUBSCRIPTIONS / HOSTS) * (HOSTS - 20 + hanging + refusing));
  return child;
}

/** What hosts that answer notice of 10 % that hang and 10 % that refuse, compared with those hosts not being there. */
export const isolation: Benchmark = {
  name: 'isolation',
  run: async ({ rounds, quick, nodeOptions }: RunOptions): Promise<Figure[]> => {
    const disturbed = await start(10, 10, nodeOptions);
    const undisturbed = await start(0, 0, nodeOptions);
    const plan = { events: quick ? 20 : 200, burst: 2 };
    const rates = await interleave(
      rounds,
      () => disturbed.call('round', plan),
      () => undisturbed.call('round', plan),
    );
    const pacing = { events: quick ? 40 : 200, everyMs: 20 };
    const latencies = await interleave(
      rounds,
      () => disturbed.call('paced', pacing),
      () => undisturbed.call('paced', pacing),
    );
    await disturbed.close();
    await undisturbed.close();
    const name = 'webhook, 20 of 100 hosts dead; reference: without them';
    return [
      figureOf(
        { name, unit: 'deliveries/s', goal: { atLeast: 0.95 } },
        rates.map(({ ours, reference }) => ({
          ours: ours.deliveriesPerSecond,
          reference: reference.deliveriesPerSecond,
        })),
      ),
      figureOf(
        { name: `${name}, p99 latency`, unit: 'ms', goal: { atMost: 1.2 } },
        latencies.map(({ ours, reference }) => ({ ours: ours.p99Ms, reference: reference.p99Ms })),
      ),
      figureOf(
        { name: `${name}, median latency`, unit: 'ms' },
        latencies.map(({ ours, reference }) => ({ ours: ours.medianMs, reference: reference.medianMs })),
      ),
    ];
  },
};
