import { createHmac } from 'node:crypto';
import { memoryStorage } from '@mcp-events/server';
import type { EventsOptions, SubscriptionStore, WebhookOptions } from '@mcp-events/server';
import { afterEach } from 'vitest';
import { settle } from './fakeClock.ts';
import { TestServer } from './httpServer.ts';
import type { RequestOptions } from './httpServer.ts';
import { Recorder } from './recorder.ts';
import type { RecordedRequest } from './recorder.ts';
import { numbersOf } from './servers.ts';
import { durableStorage } from './storage.ts';

/** An origin the operator of the test server allows: plain HTTP, no verification. */
export const TRUSTED = 'http://hooks.test';

/** What its name resolves to. */
const ADDRESS = '192.0.2.1';

const open: TestServer[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

/** A secret of 32 bytes, each of them `fill`. */
export function secretOf(fill = 1): string {
  return `whsec_${Buffer.alloc(32, fill).toString('base64')}`;
}

/** Parameters of a subscribe call. */
export interface SubscribeOptions extends RequestOptions {
  readonly url?: string;
  readonly secret?: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly cursor?: string | null;
  readonly ttlMs?: number | null;
  readonly maxAgeMs?: number;
  readonly mode?: string;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** A key of 32 bytes that encrypts secrets. */
export function keyOf(fill: number): string {
  return Buffer.alloc(32, fill).toString('base64');
}

export interface TestWebhookOptions extends WebhookOptions {
  /** Makes storage durable, with subscriptions in here. */
  readonly store?: SubscriptionStore;
}

/** A server with webhook mode whose callbacks end at a recorder. */
export class WebhookTestServer extends TestServer {
  readonly recorder: Recorder;

  constructor({ store, ...webhooks }: TestWebhookOptions, options: EventsOptions, recorder: Recorder) {
    const storage = store && durableStorage(store, options.storage ?? memoryStorage({ clock: options.clock }));
    const seams = { resolve: () => [ADDRESS], connect: recorder.dial };
    // In the middle of the jitter, so that waits are the nominal ones.
    const defaults: WebhookOptions = {
      allowedOrigins: [TRUSTED],
      egress: seams,
      random: () => 0.5,
      secretKeys: [keyOf(1)],
    };
    super({ ...options, storage: storage ?? options.storage, webhooks: { ...defaults, ...webhooks } });
    this.recorder = recorder;
  }

  /** The result of `events/subscribe`; fails the test on an error answer. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into results of every shape
  async subscribe(name: string, options: SubscribeOptions = {}): Promise<any> {
    const message = await this.trySubscribe(name, options);
    if (message.result === undefined) throw new Error(`events/subscribe failed: ${JSON.stringify(message.error)}`);
    // Delivery starts in the turn after the answer.
    await settle();
    const { _meta, ...result } = message.result;
    return result;
  }

  /** The answer of `events/subscribe`, by default as principal alice. */
  trySubscribe(name: string, options: SubscribeOptions = {}): ReturnType<TestServer['call']> {
    const {
      url = `${TRUSTED}/a`,
      secret = secretOf(),
      arguments: args,
      cursor,
      ttlMs,
      maxAgeMs,
      mode,
      _meta,
    } = options;
    const delivery = { url, secret, ...(mode === undefined ? {} : { mode }) };
    const params = { name, arguments: args, delivery, cursor, ttlMs, maxAgeMs, _meta };
    return this.call('events/subscribe', params, { as: 'alice', ...options });
  }

  /** The answer of `events/unsubscribe`, by default as principal alice. */
  unsubscribe(name: string, options: SubscribeOptions = {}): ReturnType<TestServer['call']> {
    const { url = `${TRUSTED}/a`, arguments: args, mode } = options;
    const delivery = { url, ...(mode === undefined ? {} : { mode }) };
    return this.call('events/unsubscribe', { name, arguments: args, delivery }, { as: 'alice', ...options });
  }
}

/** A server with webhook mode that is closed after the test. */
export function webhookServer(
  webhooks: TestWebhookOptions = {},
  options: EventsOptions = {},
  recorder: Recorder = new Recorder(),
): WebhookTestServer {
  const server = new WebhookTestServer(webhooks, options, recorder);
  open.push(server);
  return server;
}

/** The `n` of the events that were posted, in order. */
export function postedNumbers({ recorder }: WebhookTestServer): unknown[] {
  return numbersOf(recorder.events.map(({ body }) => body));
}

/** Whether one of the delivery's signatures is that of this secret, computed by hand (SIG-03). */
export function isSignedWith({ headers, text }: RecordedRequest, secret: string): boolean {
  return signaturesOf(headers).includes(signatureOf(headers, text, secret));
}

export function signaturesOf(headers: RecordedRequest['headers']): string[] {
  return headers['webhook-signature']?.split(' ') ?? [];
}

function signatureOf(headers: RecordedRequest['headers'], text: string, secret: string): string {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`;
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
}
