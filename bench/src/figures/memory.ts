import { startChild } from '../harness/child.ts';
import { figureOf } from '../harness/figure.ts';
import type { Benchmark, Figure, RunOptions } from '../harness/figure.ts';
import type { LeaseServer } from '../servers/leases.ts';
import type { Memory } from '../servers/memory.ts';
import type { PushServer } from '../servers/pushServer.ts';
import type { WebhookServer } from '../servers/webhookServer.ts';

const KIB = 1024;

/** Streams opened before the first look, so that code and buffers needed only once are there. */
const WARM_UP = 200;

/** What an idle webhook subscription may hold. */
const GOAL_KIB_PER_WEBHOOK = 2;

async function perStream(module: string, count: number, nodeOptions: readonly string[]): Promise<Memory> {
  const child = startChild<PushServer>(module, { nodeOptions: [...nodeOptions, '--expose-gc'] });
  await child.call('start', { dataBytes: 200 });
  await child.call('open', WARM_UP);
  const before = await child.call('memory');
  await child.call('open', count);
  const after = await child.call('memory');
  await child.close();
  return per(count, before, after);
}

function per(count: number, before: Memory, after: Memory): Memory {
  return {
    heldBytes: (after.heldBytes - before.heldBytes) / count / KIB,
    rssBytes: (after.rssBytes - before.rssBytes) / count / KIB,
  };
}

async function streams({ quick, nodeOptions }: RunOptions): Promise<Figure[]> {
  const count = quick ? 500 : 2_000;
  const ours = await perStream('servers/pushEvents', count, nodeOptions);
  const reference = await perStream('servers/pushCeiling', count, nodeOptions);
  const details = { streams: count, 'above a bare connection, KiB': ours.heldBytes - reference.heldBytes };
  const held = { ours: ours.heldBytes, reference: reference.heldBytes };
  const rss = { ours: ours.rssBytes, reference: reference.rssBytes };
  return [
    figureOf({ name: 'memory per idle stream; reference: bare SSE', unit: 'KiB', details }, [held]),
    figureOf({ name: 'memory per idle stream, RSS', unit: 'KiB' }, [rss]),
  ];
}

async function leases({ quick, nodeOptions }: RunOptions): Promise<Figure> {
  const count = quick ? 1_000 : 20_000;
  const child = startChild<LeaseServer>('servers/leases', { nodeOptions: [...nodeOptions, '--expose-gc'] });
  const warm = await child.call('take', WARM_UP);
  const before = await child.call('memory');
  await child.call('take', count);
  const after = await child.call('memory');
  await child.close();
  const ours = per(count, before, after);
  const details = { leases: count, 'RSS, KiB': ours.rssBytes };
  const pair = { ours: ours.heldBytes, reference: warm.keyBytes / KIB };
  return figureOf({ name: 'memory per poll lease; reference: its key', unit: 'KiB', details }, [pair]);
}

/** Subscriptions that were never delivered to: what is held beside their URL and secret. */
async function webhookSubscriptions({ quick, nodeOptions }: RunOptions): Promise<Figure> {
  const count = quick ? 1_000 : 20_000;
  const child = startChild<WebhookServer>('servers/webhookEvents', { nodeOptions: [...nodeOptions, '--expose-gc'] });
  await child.call('start', { dataBytes: 200, hosts: 1 });
  await child.call('subscribe', WARM_UP);
  const before = await child.call('memory');
  await child.call('subscribe', count);
  const after = await child.call('memory');
  await child.close();
  const ours = per(count, before, after);
  const details = { subscriptions: count, 'RSS, KiB': ours.rssBytes };
  const pair = { ours: ours.heldBytes, reference: GOAL_KIB_PER_WEBHOOK };
  return figureOf(
    { name: 'memory per idle webhook subscription; reference: the goal', unit: 'KiB', goal: { atMost: 1 }, details },
    [pair],
  );
}

/** What waits without doing anything. */
export const memory: Benchmark = {
  name: 'memory',
  run: async (options) => [...(await streams(options)), await leases(options), await webhookSubscriptions(options)],
};
