import { forbidden } from '@mcp-events/server';
import type { EventTypeDefinition } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { settle, until } from './kit/fakeClock.ts';
import type { Message } from './kit/frames.ts';
import { echo, holdChallenges, secureServer, STRANGER } from './kit/secureServer.ts';
import { counted } from './kit/servers.ts';
import { TestSubscriptionStore } from './kit/storage.ts';
import { secretOf, webhookServer } from './kit/webhookServer.ts';
import type { WebhookTestServer } from './kit/webhookServer.ts';

/** A subscribe call whose challenge is not answered yet. */
async function pending(server: WebhookTestServer, signal?: AbortSignal): Promise<{ answer: Promise<Message> }> {
  holdChallenges(server);
  const { length } = server.recorder.challenges;
  const answer = server.trySubscribe('counted', { url: STRANGER, signal });
  answer.catch(() => {});
  await until(() => server.recorder.challenges.length > length);
  return { answer };
}

/** Lets the endpoint consent to the challenge it was sent last. */
async function consent({ recorder }: WebhookTestServer): Promise<void> {
  recorder.release(echo(recorder.challenges.at(-1)!));
  await settle();
}

const hooks = (log: string[]): EventTypeDefinition => ({
  ...counted,
  onSubscribe: () => void log.push('subscribe'),
  onUnsubscribe: () => void log.push('unsubscribe'),
});

describe('a subscription that ends while its endpoint is asked', () => {
  it.each<[string, number, (server: WebhookTestServer) => unknown]>([
    ['is terminated', -32024, ({ events }) => events.terminate({}, forbidden('revoked'))],
    ['is unsubscribed', -32603, (server) => server.unsubscribe('counted', { url: STRANGER })],
    ['loses its server', -32603, (server) => server.events.close()],
  ])('VERIFY-01 HOOK-03 because it %s is answered so, and nothing is left', async (_how, code, end) => {
    const log: string[] = [];
    const store = new TestSubscriptionStore();
    const server = secureServer({ store });
    const handle = server.events.define('counted', hooks(log));
    const { answer } = await pending(server);
    await end(server);
    expect(server.events.subscriptions()).toEqual([]);
    await consent(server);
    expect((await answer).error?.code).toBe(code);
    // A closed server takes no events at all.
    await handle.emit({ n: 1 }).catch(() => {});
    await settle();
    expect(server.recorder.deliveries).toEqual([]);
    expect(log).toEqual([]);
    expect(store.records).toEqual([]);
    expect(server.errors).toEqual([]);
  });

  it('VERIFY-01 TERM-02 TERM-03 TERM-04 a change of its type counts, unless it is additive', async () => {
    const log: string[] = [];
    const server = secureServer();
    let handle = server.events.define('counted', hooks(log));
    let { answer } = await pending(server);
    handle.update({ ...hooks(log), description: 'Counts' });
    await consent(server);
    expect((await answer).result.id).toMatch(/^sub_/);
    await server.unsubscribe('counted', { url: STRANGER });
    expect(log.splice(0)).toEqual(['subscribe', 'unsubscribe']);

    await server.clock.advance(86_400_000);
    ({ answer } = await pending(server));
    handle.update({ ...hooks(log), input: { type: 'object', required: ['level'] } });
    await consent(server);
    expect((await answer).error).toMatchObject({ code: -32026, data: { reason: 'schema_changed' } });

    handle.update(hooks(log));
    ({ answer } = await pending(server));
    handle.update({ ...hooks(log), delivery: ['push'] });
    await consent(server);
    expect((await answer).error).toMatchObject({ code: -32026, data: { feature: 'deliveryMode' } });

    handle.update(hooks(log));
    ({ answer } = await pending(server));
    handle.remove();
    await consent(server);
    expect((await answer).error).toMatchObject({ code: -32023, data: { kind: 'event' } });

    handle = server.events.define('counted', hooks(log));
    expect(server.recorder.deliveries).toEqual([]);
    expect(log).toEqual([]);
  });

  it('VERIFY-01 whoever ended it decides the answer, also when the endpoint does not consent', async () => {
    const server = secureServer();
    server.events.define('counted', counted);
    const { answer } = await pending(server);
    void server.events.terminate({}, forbidden('revoked'));
    server.recorder.release(500);
    expect((await answer).error).toMatchObject({ code: -32024, data: { reason: 'revoked' } });
  });

  it('UNSUB-01 OP-29 does not drag down one that begins meanwhile, which asks with its own secret', async () => {
    const server = secureServer();
    server.events.define('counted', counted);
    const { answer: first } = await pending(server);
    await server.unsubscribe('counted', { url: STRANGER });
    const second = server.trySubscribe('counted', { url: STRANGER, secret: secretOf(2) });
    await settle();
    expect(server.recorder.challenges).toHaveLength(1);
    server.recorder.release(401);
    await until(() => server.recorder.challenges.length === 2);
    await consent(server);
    expect((await first).error?.code).toBe(-32603);
    expect((await second).result.id).toMatch(/^sub_/);
  });
});

describe('a request that is aborted', () => {
  it('SUB-05 does not stop the subscription, which the client finds with its next call', async () => {
    const server = secureServer();
    const handle = server.events.define('counted', counted);
    const controller = new AbortController();
    await pending(server, controller.signal);
    controller.abort();
    await consent(server);
    await until(() => server.events.subscriptions().length === 1);
    const again = await server.subscribe('counted', { url: STRANGER });
    expect(again.deliveryStatus).toEqual({ active: true, lastDeliveryAt: null, lastError: null });
    await handle.emit({ n: 1 });
    await until(() => server.recorder.events.length === 1);
    expect(server.errors).toEqual([]);
  });
});

describe('a subscription that ends while onSubscribe runs', () => {
  it.each(['terminate', 'unsubscribe', 'close'] as const)('HOOK-03 gets its counterpart, once: %s', async (how) => {
    const server = webhookServer();
    const log: string[] = [];
    let provisioned = (): void => {};
    server.events.define('counted', {
      ...counted,
      onSubscribe: () => new Promise<void>((resolve) => (provisioned = resolve)),
      onUnsubscribe: () => void log.push('unsubscribe'),
    });
    const answer = server.trySubscribe('counted');
    await settle();
    if (how === 'terminate') void server.events.terminate({}, forbidden('revoked'));
    else if (how === 'unsubscribe') await server.unsubscribe('counted');
    else await server.events.close();
    expect(log).toEqual([]);
    provisioned();
    expect((await answer).error?.code).toBe(how === 'terminate' ? -32024 : -32603);
    expect(log).toEqual(['unsubscribe']);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('HOOK-01 ERR-03 refuses within its time when the hook hangs, and leaves nothing', async () => {
    const server = webhookServer({}, { limits: { hookMs: 1_000 } });
    server.events.define('counted', { ...counted, onSubscribe: () => new Promise<void>(() => {}) });
    const answer = server.trySubscribe('counted');
    await server.clock.advance(1_000);
    expect((await answer).error?.code).toBe(-32603);
    expect(server.events.subscriptions()).toEqual([]);
  });
});

describe('a subscription that is being stored', () => {
  it('TTL-11 UNSUB-01 leaves no record when it ends meanwhile', async () => {
    const store = new TestSubscriptionStore();
    const server = webhookServer({ store });
    server.events.define('counted', counted);
    let stored = (): void => {};
    store.writing = new Promise((resolve) => (stored = resolve));
    const answer = server.trySubscribe('counted');
    await settle();
    expect(store.calls).toEqual(['load', expect.stringMatching(/^save /)]);
    const ended = server.unsubscribe('counted');
    await settle();
    stored();
    expect((await ended).result.resultType).toBe('complete');
    expect((await answer).error?.code).toBe(-32603);
    expect(store.records).toEqual([]);
  });

  it('TTL-11 answers only when it is stored', async () => {
    const store = new TestSubscriptionStore();
    const server = webhookServer({ store });
    const handle = server.events.define('counted', counted);
    let stored = (): void => {};
    store.writing = new Promise((resolve) => (stored = resolve));
    let answered = false;
    const answer = server.trySubscribe('counted').finally(() => (answered = true));
    await settle();
    await handle.emit({ n: 1 });
    await settle();
    expect(answered).toBe(false);
    expect(server.recorder.requests).toEqual([]);
    stored();
    await answer;
    await settle();
    expect(server.recorder.events).toHaveLength(1);
  });
});
