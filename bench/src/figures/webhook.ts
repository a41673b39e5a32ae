import { startChild } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure, RunOptions } from '../harness/figure.ts';
import { interleave, median } from '../harness/rounds.ts';
import type { Pair } from '../harness/rounds.ts';
import type { WebhookRound, WebhookServer } from '../servers/webhookServer.ts';

interface Case {
  readonly subscriptions: number;
  /** Events per round: about a second's worth. */
  readonly events: number;
  /** Events per turn of the event loop. */
  readonly burst: number;
}

const CASES: readonly Case[] = [
  { subscriptions: 1, events: 20_000, burst: 64 },
  { subscriptions: 100, events: 200, burst: 4 },
  { subscriptions: 1_000, events: 20, burst: 1 },
];

const DATA_BYTES = 200;

async function measure(
  { subscriptions, events, burst }: Case,
  { rounds, quick, nodeOptions }: RunOptions,
): Promise<Figure[]> {
  const ours = startChild<WebhookServer>('servers/webhookEvents', { nodeOptions });
  const ceiling = startChild<WebhookServer>('servers/webhookCeiling', { nodeOptions });
  const plan = { events: Math.max(1, quick ? events / 10 : events), burst };
  for (const child of [ours, ceiling]) {
    await child.call('start', { dataBytes: DATA_BYTES, hosts: 1 });
    await child.call('subscribe', subscriptions);
  }
  const pairs = await interleave<WebhookRound>(
    rounds,
    () => ours.call('round', plan),
    () => ceiling.call('round', plan),
  );
  const samples = [masked(await ours.call('sample')), masked(await ceiling.call('sample'))];
  if (samples[0] !== samples[1]) throw new Error(`the deliveries differ:\n${samples.join('\n')}`);
  await ours.close();
  await ceiling.close();
  const of = (value: (round: WebhookRound) => number): Pair<number>[] =>
    pairs.map((pair) => ({ ours: value(pair.ours), reference: value(pair.reference) }));
  const name = `webhook, ${subscriptions} subscription${subscriptions === 1 ? '' : 's'}`;
  const details = {
    'events per round': plan.events,
    'events per turn': burst,
    'CPU share of ours': median(pairs.map((pair) => pair.ours.cpuShare)),
    'of the ceiling': median(pairs.map((pair) => pair.reference.cpuShare)),
  };
  return [
    figureOf(
      { name, unit: 'deliveries/s', goal: { atLeast: 0.8 }, details },
      of((round) => round.deliveriesPerSecond),
    ),
    figureOf(
      { name: `${name}, server CPU`, unit: 'us/delivery' },
      of((round) => round.cpuUsPerDelivery),
    ),
  ];
}

/** A delivery with what differs between two senders replaced, character by character, so that lengths still count. */
function masked(request: string): string {
  const [head = '', body = ''] = request.split('\r\n\r\n');
  const headers = head
    .toLowerCase()
    .replace(/^post \S+/, 'post')
    .replace(
      /(host|webhook-id|webhook-timestamp|webhook-signature|x-mcp-subscription-id): (.*)/g,
      (_, name, value) => `${name}: ${'#'.repeat(name === 'host' ? 1 : String(value).length)}`,
    )
    .split('\r\n')
    .toSorted()
    .join('\n');
  return `${headers}\n${body
    .replace(/(evt_|")[0-9a-f]{16,32}/g, (text) => '#'.repeat(text.length))
    .replace(/\.\d+(?=")/, (text) => '#'.repeat(text.length))
    .replace(/\d{4}-\d{2}-\d{2}T[\d:.]+Z/, '#')}`;
}

/** Signed deliveries per second, and what one costs the server. */
export const webhook: Benchmark = {
  name: 'webhook',
  run: async (options) => {
    const figures: Figure[] = [];
    for (const each of CASES) figures.push(...(await measure(each, options)));
    return figures;
  },
};
