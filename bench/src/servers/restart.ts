import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deriveSubscriptionId } from '@mcp-events/protocol';
import { FeedEvent } from '@mcp-events/server';
import type { StoredSubscription } from '@mcp-events/server';
import { openSqliteStorage } from '@mcp-events/sqlite';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { serve } from '../harness/child.ts';
import { mcpRequest } from '../readers/request.ts';
import { benchData, textFor } from './author.ts';
import { createEvents } from './eventsServer.ts';
import { EVENT_NAME } from './frames.ts';
import { settledMemory } from './memory.ts';
import { SecretSealer } from './secretSealer.ts';
import type { Memory } from './memory.ts';
import { SECRET_KEY } from './webhookTarget.ts';

export interface Leftovers {
  readonly file: string;
  readonly origin: string;
  /** Subscriptions, each with another value of the declared filter. */
  readonly subscriptions: number;
  readonly events: number;
  /** Of the subscriptions, how many were not delivered their last event. Spread evenly; for the rest nothing is new. */
  readonly behind: number;
}

export interface RestartServer {
  /** Leaves a file as a run of the server would that was killed. */
  prepare(leftovers: Leftovers): Promise<void>;
  /** Resolves when a request over HTTP was answered. */
  start(options: { file: string; origin: string }): Promise<{ readyAtNs: string }>;
  /** Resolves when as many subscriptions are live. */
  restored(count: number): Promise<{ restoredAtNs: string }>;
  memory(): Promise<Memory>;
}

const PRINCIPAL = 'bench';
const NAMESPACE = 'bench';
const DATA_BYTES = 200;

/** Appends that wait for one another. */
const BATCH = 500;

const retention = { maxAgeMs: 30 * 86_400_000, maxCount: 10_000_000, maxBytes: 1e12 };

async function prepare({ file, origin, subscriptions, events, behind }: Leftovers): Promise<void> {
  const storage = await openSqliteStorage({ file });
  const log = storage.openLog(EVENT_NAME, retention);
  const text = textFor(DATA_BYTES);
  const stride = subscriptions / behind;
  for (let first = 0; first < events; first += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, events - first) }, (_, index) => {
      const position = first + index;
      // The last events are for those that are behind; all others are for nobody.
      const left = events - position;
      const data = benchData(left <= behind ? (left - 1) * stride : subscriptions + position, text);
      const dataJson = JSON.stringify(data);
      const timestamp = new Date().toISOString();
      const event = new FeedEvent({ eventId: `evt_${position}`, name: EVENT_NAME, timestamp, dataJson }, null);
      return log.append(event, { byteLength: dataJson.length + 100 });
    });
    await Promise.all(batch.map(async (stored) => stored));
  }
  const cursor = `${log.epoch}.${events - behind}`;
  const sealer = new SecretSealer([SECRET_KEY]);
  const key = { namespace: NAMESPACE, principal: PRINCIPAL, name: EVENT_NAME };
  for (let first = 0; first < subscriptions; first += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, subscriptions - first) }, (_, index) => {
      const args = { key: benchData(first + index, '').key };
      const url = `${origin}/callbacks/${first + index}`;
      const id = deriveSubscriptionId({ ...key, arguments: args, url });
      const record: StoredSubscription = {
        id,
        name: EVENT_NAME,
        principal: PRINCIPAL,
        arguments: args,
        url,
        dialect: 'final',
        secret: sealer.seal(id, `whsec_${Buffer.alloc(32, index % 251).toString('base64')}`),
        refreshBeforeMs: null,
        cursor,
        settled: [],
        suspended: false,
        failing: null,
        gapAfter: null,
      };
      return storage.subscriptions.save(record);
    });
    await Promise.all(batch.map(async (stored) => stored));
  }
  await storage.close();
}

let events: ReturnType<typeof createEvents>['events'] | undefined;

serve<RestartServer>({
  prepare,
  start: async ({ file, origin }) => {
    const created = createEvents(
      { retention, filter: { key: 'key' } },
      {
        storage: await openSqliteStorage({ file }),
        namespace: NAMESPACE,
        principal: () => PRINCIPAL,
        limits: { subscriptions: 200_000, subscriptionsPerPrincipal: 200_000 },
        webhooks: { allowedOrigins: [origin], secretKeys: [SECRET_KEY], ttl: { noExpiry: true } },
      },
    );
    ({ events } = created);
    const node = toNodeHandler(created.handler);
    const server = createServer((request, response) => void node(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}/mcp`, {
      method: 'POST',
      ...mcpRequest(1, 'events/poll', { name: EVENT_NAME, cursor: null }),
    });
    if (!(await answer.text()).includes('"cursor"')) throw new Error('the server does not answer');
    return { readyAtNs: String(process.hrtime.bigint()) };
  },
  restored: async (count) => {
    while ((events?.subscriptions().length ?? 0) < count) {
      // Counting them is work, too.
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    return { restoredAtNs: String(process.hrtime.bigint()) };
  },
  memory: settledMemory,
});
