import { deriveSubscriptionId } from '@mcp-events/protocol';
import { memoryStorage } from '@mcp-events/server';
import type { Storage, StoredSubscription } from '@mcp-events/server';
import { serve, startChild } from '../harness/child.ts';
import type { Callbacks } from '../readers/callbacks.ts';
import { benchData, textFor } from './author.ts';
import { createEvents } from './eventsServer.ts';
import { EVENT_NAME } from './frames.ts';
import { SecretSealer } from './secretSealer.ts';
import { SECRET_KEY } from './webhookTarget.ts';

export interface GrowthServer {
  /** Makes webhook subscriptions, so many for each value of the declared filter. Resolves when they are live. */
  start(options: { subscriptions: number; matches: number }): Promise<void>;
  /** Microseconds per emit. */
  emit(count: number): Promise<number>;
}

const NAMESPACE = 'bench';
const PRINCIPAL = 'bench';

/** Subscriptions that get events: as many whatever their number, so that caches are no part of the comparison. */
const RECEIVERS = 500;

/** Emits between two pauses, in which deliveries go out. */
const BURST = 20;

const text = textFor(200);
const receivers = startChild<Callbacks>('readers/callbacks');
let handle: ReturnType<typeof createEvents>['handle'];
let matches = 1;
let emitted = 0;

/** Subscriptions as an earlier run would have left them: to make a million by requests takes too long. */
function* stored(count: number, perKey: number, origin: string): Generator<StoredSubscription> {
  const sealer = new SecretSealer([SECRET_KEY]);
  for (let index = 0; index < count; index++) {
    const args = { key: benchData(Math.floor(index / perKey), '').key };
    const url = `${origin}/callbacks/${index}`;
    const key = { namespace: NAMESPACE, principal: PRINCIPAL, name: EVENT_NAME };
    const id = deriveSubscriptionId({ ...key, arguments: args, url });
    yield {
      id,
      name: EVENT_NAME,
      principal: PRINCIPAL,
      arguments: args,
      url,
      dialect: 'final',
      secret: sealer.seal(id, `whsec_${Buffer.alloc(32, index % 251).toString('base64')}`),
      refreshBeforeMs: null,
      cursor: null,
      settled: [],
      suspended: false,
      failing: null,
      gapAfter: null,
    };
  }
}

serve<GrowthServer>({
  start: async (options) => {
    ({ matches } = options);
    const { subscriptions } = options;
    const { port } = await receivers.call('listen');
    const origin = `http://127.0.0.1:${port}`;
    const rest = memoryStorage();
    const storage: Storage = {
      durable: true,
      openLog: (name, retention) => rest.openLog(name, retention),
      notes: rest.notes,
      deadLetters: rest.deadLetters,
      subscriptions: { load: () => stored(subscriptions, matches, origin), save: () => {}, delete: () => {} },
      close: () => {},
    };
    const created = createEvents(
      { filter: { key: 'key' } },
      {
        storage,
        namespace: NAMESPACE,
        principal: () => PRINCIPAL,
        limits: { subscriptions: 2_000_000, subscriptionsPerPrincipal: 2_000_000 },
        webhooks: { allowedOrigins: [origin], secretKeys: [SECRET_KEY], ttl: { noExpiry: true } },
      },
    );
    ({ handle } = created);
    while (created.events.subscriptions().length < subscriptions)
      await new Promise((resolve) => setTimeout(resolve, 500));
  },
  emit: async (count) => {
    const finished = receivers.call('expect', { deliveries: count * matches, latencies: false });
    let elapsedNs = 0n;
    for (let done = 0; done < count; done += BURST) {
      const startNs = process.hrtime.bigint();
      for (let index = 0; index < BURST; index++) {
        await handle.emit(benchData(emitted++ % Math.max(1, RECEIVERS / matches), text));
      }
      elapsedNs += process.hrtime.bigint() - startNs;
      await new Promise<void>((resolve) => setTimeout(resolve, 2));
    }
    await finished;
    return Number(elapsedNs) / 1_000 / count;
  },
});
