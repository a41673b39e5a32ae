import { startChild } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure, RunOptions } from '../harness/figure.ts';
import { interleave } from '../harness/rounds.ts';
import type { PushServer } from '../servers/pushServer.ts';
import type { WebhookServer } from '../servers/webhookServer.ts';

const DATA_BYTES = 200;
const GOAL = { atLeast: 0.7 };

interface Case {
  readonly receivers: number;
  /** Events per round: about a second's worth. */
  readonly events: number;
  /** Events emitted at once. */
  readonly burst: number;
}

const PUSH: readonly Case[] = [
  { receivers: 1, events: 40_000, burst: 256 },
  { receivers: 100, events: 6_400, burst: 64 },
];

const WEBHOOK: readonly Case[] = [
  { receivers: 1, events: 10_000, burst: 64 },
  { receivers: 100, events: 200, burst: 4 },
];

async function push({ receivers, events, burst }: Case, { rounds, quick, nodeOptions }: RunOptions): Promise<Figure> {
  const durable = startChild<PushServer>('servers/pushDurable', { nodeOptions });
  const inMemory = startChild<PushServer>('servers/pushEvents', { nodeOptions });
  for (const child of [durable, inMemory]) {
    await child.call('start', { dataBytes: DATA_BYTES });
    await child.call('open', receivers);
  }
  const plan = { events: quick ? events / 10 : events, burst, together: true };
  const rate = async (child: typeof durable): Promise<number> => (await child.call('round', plan)).deliveriesPerSecond;
  const pairs = await interleave(
    rounds,
    () => rate(durable),
    () => rate(inMemory),
  );
  await durable.close();
  await inMemory.close();
  const name = `durable push, ${receivers} stream${receivers === 1 ? '' : 's'}; reference: in memory`;
  return figureOf({ name, unit: 'events/s', goal: GOAL }, pairs);
}

async function webhook({ receivers, events, burst }: Case, options: RunOptions): Promise<Figure> {
  const { rounds, quick, nodeOptions } = options;
  const durable = startChild<WebhookServer>('servers/webhookDurable', { nodeOptions });
  const inMemory = startChild<WebhookServer>('servers/webhookEvents', { nodeOptions });
  for (const child of [durable, inMemory]) {
    await child.call('start', { dataBytes: DATA_BYTES, hosts: 1 });
    await child.call('subscribe', receivers);
  }
  const plan = { events: quick ? events / 10 : events, burst, together: true };
  const rate = async (child: typeof durable): Promise<number> => (await child.call('round', plan)).deliveriesPerSecond;
  const pairs = await interleave(
    rounds,
    () => rate(durable),
    () => rate(inMemory),
  );
  await durable.close();
  await inMemory.close();
  const name = `durable webhook, ${receivers} subscription${receivers === 1 ? '' : 's'}; reference: in memory`;
  return figureOf({ name, unit: 'deliveries/s', goal: GOAL }, pairs);
}

/** Events from `emit` through the file to subscribers, compared with the same server without a file. */
export const durableFanOut: Benchmark = {
  name: 'durable-fan-out',
  run: async (options) => {
    const figures: Figure[] = [];
    for (const each of PUSH) figures.push(await push(each, options));
    for (const each of WEBHOOK) figures.push(await webhook(each, options));
    return figures;
  },
};
