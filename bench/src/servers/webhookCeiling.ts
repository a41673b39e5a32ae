import { createHmac } from 'node:crypto';
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { EVENT_NAME } from './frames.ts';
import { serveWebhooks } from './webhookServer.ts';

/** Connections per origin, and requests under way to it: what the packages under test have by default. */
const CONNECTIONS = 64;

interface Subscription {
  readonly origin: Origin;
  readonly path: string;
  readonly id: string;
  readonly key: Buffer;
}

/**
 * As little as a sender can do: signed POSTs over pooled connections, first come, first served. It checks nothing, keeps
 * nothing, tries nothing again and knows no order, limits or watermark.
 */
class Origin {
  readonly #pool: Pool;
  readonly #waiting: (() => void)[] = [];
  #next = 0;
  #running = 0;

  constructor(origin: string) {
    this.#pool = new Pool(origin, { connections: CONNECTIONS, pipelining: 1 });
  }

  send(start: () => void): void {
    if (this.#running < CONNECTIONS) {
      this.#running++;
      start();
    } else this.#waiting.push(start);
  }

  post(path: string, headers: Record<string, string>, body: Buffer): void {
    const done = (): void => this.#done();
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: () => {},
      onResponseStart: () => {},
      onResponseData: () => {},
      onResponseEnd: done,
      onResponseError: (_controller, error) => {
        throw error;
      },
    };
    this.#pool.dispatch({ path, method: 'POST', headers, body }, handler);
  }

  #done(): void {
    const start = this.#waiting[this.#next];
    if (start === undefined) {
      this.#running--;
      this.#waiting.length = 0;
      this.#next = 0;
      return;
    }
    this.#waiting[this.#next++] = undefined as never;
    start();
  }
}

const EPOCH = '0'.repeat(16);

serveWebhooks((names) => {
  const origins = new Map(names.map((name) => [name, new Origin(name)]));
  const subscriptions: Subscription[] = [];
  let sequence = 0;
  return {
    subscribe: async (url) => {
      const { origin, pathname: path } = new URL(url);
      const key = Buffer.alloc(32, subscriptions.length % 251);
      const id = `sub_${String(subscriptions.length).padStart(32, '0')}`;
      subscriptions.push({ origin: origins.get(origin) as Origin, path, id, key });
    },
    emit: async (data) => {
      sequence++;
      const eventId = eventIdOf(sequence);
      const head = `{"eventId":"${eventId}","name":"${EVENT_NAME}","timestamp":"${new Date().toISOString()}","data":${JSON.stringify(data)},`;
      const previous = sequence === 1 ? null : `${EPOCH}.${sequence - 1}`;
      const order = `{"mcp-events/order":{"position":"${EPOCH}.${sequence}","previous":${JSON.stringify(previous)}}}`;
      const body = Buffer.from(`${head}"cursor":"${EPOCH}.${sequence}","_meta":${order}}`);
      for (const { origin, path, id, key } of subscriptions) {
        const webhookId = `msg_event_${crypto.randomUUID().replaceAll('-', '')}`;
        origin.send(() => {
          const timestamp = String(Math.floor(Date.now() / 1_000));
          const signature = createHmac('sha256', key)
            .update(`${webhookId}.${timestamp}.`)
            .update(body)
            .digest('base64');
          const headers = {
            'content-type': 'application/json',
            'user-agent': 'mcp-events',
            'webhook-id': webhookId,
            'webhook-timestamp': timestamp,
            'webhook-signature': `v1,${signature}`,
            'x-mcp-subscription-id': id,
          };
          origin.post(path, headers, body);
        });
      }
    },
  };
});

function eventIdOf(sequence: number): string {
  return `evt_${EPOCH}${sequence.toString(16).padStart(16, '0')}`;
}
