import { startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure, RunOptions } from '../harness/figure.ts';
import { interleave } from '../harness/rounds.ts';
import type { WebhookRound, WebhookServer } from '../servers/webhookServer.ts';

const HOSTS = 100;
const SUBSCRIPTIONS_PER_HOST = 2;

/** Hosts of which some answer; the rest hang or refuse, or are not there at all. */
interface Load {
  readonly hosts: number;
  readonly hanging: number;
  readonly refusing: number;
  /** Principals of their own at the first host whose callbacks never answer. */
  readonly hangingPrincipals?: number;
}

const disturbed: Load = { hosts: HOSTS, hanging: HOSTS / 10, refusing: HOSTS / 10 };
const healthy: Load = { hosts: HOSTS, hanging: 0, refusing: 0 };
const alone: Load = { hosts: (HOSTS * 8) / 10, hanging: 0, refusing: 0 };

/** One host that many share, as those do that receive webhooks for others. */
const shared: Load = { hosts: 1, hanging: 0, refusing: 0, hangingPrincipals: 20 };
const sharedAlone: Load = { hosts: 1, hanging: 0, refusing: 0 };

async function start(load: Load, nodeOptions: readonly string[]): Promise<Child<WebhookServer>> {
  const child = startChild<WebhookServer>('servers/webhookEvents', { nodeOptions });
  await child.call('start', { dataBytes: 200, ...load });
  await child.call('subscribe', load.hosts * SUBSCRIPTIONS_PER_HOST);
  return child;
}

/** What a callback that answers gets per second. */
function eventsPerSecond({ deliveriesPerSecond }: WebhookRound, { hosts, hanging, refusing }: Load): number {
  return deliveriesPerSecond / ((hosts - hanging - refusing) * SUBSCRIPTIONS_PER_HOST);
}

async function compare(
  name: string,
  [load, reference]: readonly [Load, Load],
  goals: 'both' | 'latency' | 'none',
  options: RunOptions,
): Promise<Figure[]> {
  const { rounds, quick, nodeOptions } = options;
  const ours = await start(load, nodeOptions);
  const other = await start(reference, nodeOptions);
  const plan = { events: quick ? 20 : 200, burst: 2 };
  const rates = await interleave(
    rounds,
    () => ours.call('round', plan),
    () => other.call('round', plan),
  );
  const pacing = { events: quick ? 40 : 200, everyMs: 20 };
  const latencies = await interleave(
    rounds,
    () => ours.call('paced', pacing),
    () => other.call('paced', pacing),
  );
  await ours.close();
  await other.close();
  return [
    figureOf(
      { name, unit: 'events/s each', goal: goals === 'both' ? { atLeast: 0.95 } : undefined },
      rates.map((pair) => ({
        ours: eventsPerSecond(pair.ours, load),
        reference: eventsPerSecond(pair.reference, reference),
      })),
    ),
    figureOf(
      { name: `${name}, p99 latency`, unit: 'ms', goal: goals === 'none' ? undefined : { atMost: 1.2 } },
      latencies.map((pair) => ({ ours: pair.ours.p99Ms, reference: pair.reference.p99Ms })),
    ),
    figureOf(
      { name: `${name}, median latency`, unit: 'ms' },
      latencies.map((pair) => ({ ours: pair.ours.medianMs, reference: pair.reference.medianMs })),
    ),
  ];
}

/**
 * What callbacks that answer notice of 10 % of the hosts that hang and 10 % that refuse, and of other principals' callbacks
 * at the same host that hang.
 */
export const isolation: Benchmark = {
  name: 'isolation',
  run: async (options) => [
    ...(await compare('webhook, 20 of 100 hosts dead; reference: all answer', [disturbed, healthy], 'both', options)),
    ...(await compare('webhook, 20 of 100 hosts dead; reference: without them', [disturbed, alone], 'none', options)),
    ...(await compare(
      'webhook, 20 principals hang at the host; reference: without them',
      [shared, sharedAlone],
      // Their deliveries are ten times those that are measured, so the rate says how much that costs.
      'latency',
      options,
    )),
  ],
};
