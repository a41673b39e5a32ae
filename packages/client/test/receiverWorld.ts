import { createWebhookSecret, decodeWebhookSecret, signWebhook } from '@mcp-events/protocol';
import {
  type AcceptResult,
  type WebhookMessage,
  WebhookReceiver,
  type WebhookReceiverOptions,
} from '../src/receiver/index.ts';
import { FakeClock } from './support/fakeClock.ts';

const secrets: readonly string[] = Array.from({ length: 4 }, (_, seed) =>
  createWebhookSecret((count) => new Uint8Array(count).fill(seed + 1)),
);
export const [secretA, secretB, secretC] = secrets as [string, string, string];

/** What may be said about a post; the rest is as a server would do it. */
export interface PostOptions {
  url?: string;
  id?: string;
  subscription?: string;
  secret?: string;
  /** How far the timestamp lies from the receiver's time. */
  ageSeconds?: number;
  body?: unknown;
  /** Replace or, with null, remove headers. */
  headers?: Record<string, string | null>;
}

export function occurrence(eventId = 'e1', more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    eventId,
    name: 'incident.opened',
    timestamp: '2026-07-28T10:00:00Z',
    data: { n: 1 },
    cursor: 'c1',
    ...more,
  };
}

export const challenge = { type: 'verification', challenge: 'nonce-1' };

/** A receiver under test, and posts to it. */
export class ReceiverWorld {
  readonly clock = new FakeClock();
  readonly warnings: string[] = [];
  readonly received: WebhookMessage[] = [];
  readonly receiver: WebhookReceiver;

  constructor(options: WebhookReceiverOptions = {}) {
    this.receiver = new WebhookReceiver({
      clock: this.clock,
      onWarning: (message) => this.warnings.push(message),
      ...options,
    });
  }

  /** For `register`: takes everything. */
  readonly accept = (message: WebhookMessage): AcceptResult => {
    this.received.push(message);
    return 'accepted';
  };

  get eventIds(): string[] {
    return this.received.flatMap((message) => (message.kind === 'event' ? [message.event.eventId] : []));
  }

  request(options: PostOptions = {}): Request {
    const {
      url = 'https://agent.example/hooks',
      id = 'msg_event_1',
      subscription = 'sub_1',
      secret = secretA,
    } = options;
    const { body = occurrence() } = options;
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const timestampSeconds = this.clock.now() / 1000 - (options.ageSeconds ?? 0);
    const headers = new Headers({
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(timestampSeconds),
      'webhook-signature': signWebhook(decodeWebhookSecret(secret), { id, timestampSeconds, body: text }),
      'x-mcp-subscription-id': subscription,
    });
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      if (value === null) headers.delete(name);
      else headers.set(name, value);
    }
    return new Request(url, { method: 'POST', headers, body: text });
  }

  async post(options: PostOptions = {}): Promise<number> {
    return (await this.receiver.handle(this.request(options))).status;
  }
}
