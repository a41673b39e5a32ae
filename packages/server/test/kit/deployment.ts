import type { EventsOptions, EventTypeDefinition, StoredSubscription } from '@mcp-events/server';
import { FakeClock, settle } from './fakeClock.ts';
import { counted } from './servers.ts';
import { TestSubscriptionStore } from './storage.ts';
import { Upstream } from './upstream.ts';
import { webhookServer } from './webhookServer.ts';
import type { TestWebhookOptions, WebhookTestServer } from './webhookServer.ts';

/** What outlives the runs of a server: its store, its upstream, and time. */
export class Deployment {
  readonly store = new TestSubscriptionStore();
  readonly upstream = new Upstream();
  readonly clock = new FakeClock();
  /** Of every run. */
  readonly hooks: string[] = [];

  get definition(): EventTypeDefinition {
    return {
      ...counted,
      check: this.upstream.check,
      nextPollMs: 1_000,
      onSubscribe: ({ principal }) => void this.hooks.push(`subscribe ${principal}`),
      onUnsubscribe: ({ principal }) => void this.hooks.push(`unsubscribe ${principal}`),
    };
  }

  /** A run that does not offer the event type yet. */
  start(webhooks: TestWebhookOptions = {}, options: EventsOptions = {}): WebhookTestServer {
    const { store, clock } = this;
    return webhookServer({ store, ttl: { noExpiry: true }, ...webhooks }, { clock, ...options });
  }

  /** A run that offers the event type. */
  async run(webhooks: TestWebhookOptions = {}, options: EventsOptions = {}): Promise<WebhookTestServer> {
    const server = this.start(webhooks, options);
    server.events.define('counted', this.definition);
    await settle();
    return server;
  }

  /** A run with one subscription without expiry, which is over. */
  async leaveSubscription(options: Parameters<WebhookTestServer['subscribe']>[1] = {}): Promise<StoredSubscription> {
    const [id] = await this.#leave([options]);
    return this.store.records.find((record) => record.id === id)!;
  }

  /** A run with so many of them, whose arguments differ. */
  async leaveSubscriptions(count: number): Promise<void> {
    await this.#leave(Array.from({ length: count }, (_, n) => ({ arguments: { n } })));
  }

  async #leave(subscriptions: readonly Parameters<WebhookTestServer['subscribe']>[1][]): Promise<string[]> {
    const server = await this.run();
    const ids: string[] = [];
    for (const options of subscriptions) {
      const { id } = await server.subscribe('counted', { ttlMs: null, ...options });
      ids.push(id);
    }
    await server.events.close();
    this.hooks.length = 0;
    this.store.calls.length = 0;
    return ids;
  }
}
