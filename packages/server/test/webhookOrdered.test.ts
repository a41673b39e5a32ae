import { ORDERED_META_KEY } from '@mcp-events/protocol';
import type { OrderedPeer } from '@mcp-events/server';
import { forbidden } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { counted } from './kit/servers.ts';
import { keptStorage, TestSubscriptionStore } from './kit/storage.ts';
import { postedNumbers, TRUSTED, webhookServer } from './kit/webhookServer.ts';
import type { WebhookTestServer } from './kit/webhookServer.ts';

const ORDERED = { [ORDERED_META_KEY]: true };
const PARALLEL = { [ORDERED_META_KEY]: false };

/** A server whose type sends one event at a time. */
function orderedServer(...options: Parameters<typeof webhookServer>): {
  server: WebhookTestServer;
  emit: (count: number) => Promise<void>;
} {
  const server = webhookServer(...options);
  const handle = server.events.define('counted', {
    ...counted,
    orderedWebhooks: true,
    retention: { maxCount: 100, maxAgeMs: 1e9 },
  });
  let n = 0;
  const emit = async (count: number): Promise<void> => {
    for (let left = count; left > 0; left--) await handle.emit({ n: ++n }, { eventId: `e${n}` });
    await settle();
  };
  return { server, emit };
}

/** One whose first event was given up, and whose endpoint does not take the gap that tells it. */
async function gapNotTaken(
  ...options: Parameters<typeof orderedServer>
): Promise<{ server: WebhookTestServer; recorder: WebhookTestServer['recorder']; sent: () => unknown[] }> {
  const { server, emit } = orderedServer(...options);
  const { recorder } = server;
  await server.subscribe('counted');
  recorder.answer = ({ body }) => (body.eventId === 'e1' || body.type === 'gap' ? 500 : 204);
  await emit(2);
  return { server, recorder, sent: () => recorder.deliveries.map(({ body }) => body.type ?? body.eventId) };
}

describe('one delivery at a time', () => {
  it('ORDER-05 sends an event when the one before was acknowledged, its retries included', async () => {
    const { server, emit } = orderedServer();
    const { recorder } = server;
    await server.subscribe('counted');
    recorder.answer = () => 'hang';
    await emit(3);
    expect(postedNumbers(server)).toEqual([1]);
    recorder.release(500);
    await settle();
    await server.clock.advance(4_999);
    expect(postedNumbers(server)).toEqual([1]);
    await server.clock.advance(1);
    expect(postedNumbers(server)).toEqual([1, 1]);
    recorder.answer = () => 204;
    recorder.release(204);
    await settle();
    expect(postedNumbers(server)).toEqual([1, 1, 2, 3]);
    // Nothing else is outstanding when an event is sent, so its own position is the safe one.
    const { cursor, _meta } = recorder.events[3]?.body ?? {};
    expect(cursor).toBe(_meta['mcp-events/order'].position);
  });

  it('ORDER-05 ENV-03 tells what was given up before the next event', async () => {
    const { server, emit } = orderedServer({ retry: { attempts: 2 } });
    const { recorder } = server;
    await server.subscribe('counted');
    recorder.answer = ({ body }) => (body.eventId === 'e1' ? 500 : 204);
    await emit(3);
    await server.clock.advance(60_000);
    expect(recorder.deliveries.map(({ body }) => body.type ?? body.eventId)).toEqual(['e1', 'e1', 'gap', 'e2', 'e3']);
    const [gap] = recorder.envelopes('gap');
    expect(gap?.body.cursor).toBe(recorder.events[1]?.body._meta['mcp-events/order'].position);
  });

  it('ORDER-05 ENV-03 tells what is missing before the next event, however often that fails, and once it is told goes on', async () => {
    const { server, recorder, sent } = await gapNotTaken({ retry: { attempts: 1, maxDelayMs: 60_000 } });
    await server.clock.advance(60_000);
    expect(sent()).toEqual(['e1', 'gap']);
    // Not one right behind the other, as its endpoint does not take them.
    await server.clock.advance(60_000);
    expect(sent()).toEqual(['e1', 'gap', 'gap']);
    recorder.answer = () => 204;
    await server.clock.advance(60_000);
    expect(sent()).toEqual(['e1', 'gap', 'gap', 'gap', 'e2']);
  });

  it('ORDER-05 SUB-13 tells what is missing at once when its client is back, and goes on', async () => {
    const { server, recorder, sent } = await gapNotTaken({ retry: { attempts: 1 } });
    await server.clock.advance(10_000);
    recorder.answer = () => 204;
    await server.clock.advance(10_000);
    expect(sent()).toEqual(['e1', 'gap']);
    expect((await server.subscribe('counted')).truncated).toBe(true);
    await settle();
    expect(sent()).toEqual(['e1', 'gap', 'gap', 'e2']);
  });

  it('ORDER-05 SUB-14 goes on where gaps are not taken once its client shows that it knows', async () => {
    const { server, recorder } = await gapNotTaken({ retry: { attempts: 1 } });
    await server.clock.advance(10_000);
    const { truncated, cursor } = await server.subscribe('counted');
    expect(truncated).toBe(true);
    await settle();
    expect(recorder.events.map(({ body }) => body.eventId)).toEqual(['e1']);
    expect((await server.subscribe('counted', { cursor })).truncated).toBe(false);
    await settle();
    expect(recorder.events.map(({ body }) => body.eventId)).toEqual(['e1', 'e2']);
  });

  it('ORDER-05 DELIV-13 is suspended when nothing is taken of what is to be told, and goes on with it', async () => {
    const { server, emit } = orderedServer({
      retry: { attempts: 1, maxDelayMs: 1_000 },
      suspension: { minAttempts: 4 },
    });
    const { recorder } = server;
    await server.subscribe('counted');
    recorder.answer = () => 500;
    await emit(2);
    for (let tries = 0; tries < 8; tries++) await server.clock.advance(60_000);
    expect(recorder.deliveries.map(({ body }) => body.type ?? body.eventId)).toEqual(['e1', 'gap', 'gap', 'gap']);
    recorder.answer = () => 204;
    const { truncated, deliveryStatus } = await server.subscribe('counted');
    expect([truncated, deliveryStatus.active]).toEqual([true, false]);
    await settle();
    expect(recorder.deliveries.slice(4).map(({ body }) => body.type ?? body.eventId)).toEqual(['gap', 'e2']);
  });

  it('ORDER-05 ENV-03 tells a loss at its place: behind the events that wait, before those that follow', async () => {
    const { server, emit } = orderedServer({ limits: { outstandingPerSubscription: 4 } });
    const { recorder } = server;
    await server.subscribe('counted');
    recorder.answer = () => 'hang';
    await emit(200);
    recorder.answer = () => 204;
    recorder.release(204);
    await settle(200);
    const told = recorder.deliveries.map(({ body }) => body.type ?? body.data.n);
    expect(told.slice(0, 6)).toEqual([1, 2, 3, 4, 'gap', 101]);
    expect(told.at(-1)).toBe(200);
  });

  it('ORDER-05 ENV-05 DELIV-16 waits with the news of its end for the answer to what was sent', async () => {
    const { server, emit } = orderedServer();
    const { recorder } = server;
    await server.subscribe('counted');
    recorder.answer = () => 'hang';
    await emit(2);
    void server.events.terminate({}, forbidden());
    await settle();
    expect(recorder.envelopes('terminated')).toEqual([]);
    recorder.release(204);
    await settle();
    expect(recorder.deliveries.map(({ body }) => body.type ?? body.eventId)).toEqual(['e1', 'terminated']);
  });

  it('ORDER-05 DELIV-13 SUB-13 stops and goes on at the same place when it is suspended', async () => {
    const { server, emit } = orderedServer({ suspension: { minAttempts: 2 } });
    const { recorder } = server;
    await server.subscribe('counted');
    recorder.answer = () => 500;
    await emit(3);
    await server.clock.advance(10_000);
    expect(postedNumbers(server)).toEqual([1, 1]);
    recorder.answer = () => 204;
    expect((await server.subscribe('counted')).deliveryStatus.active).toBe(false);
    expect(postedNumbers(server)).toEqual([1, 1, 1, 2, 3]);
  });

  it('ORDER-05 sends a dead letter again by itself, too', async () => {
    const { server, emit } = orderedServer({ retry: { attempts: 1 }, tellAbandoned: false });
    const { recorder } = server;
    await server.subscribe('counted');
    recorder.answer = ({ body }) => (body.eventId === 'e1' ? 500 : 'hang');
    await emit(3);
    recorder.answer = () => 'hang';
    await server.events.redrive();
    await settle();
    expect(postedNumbers(server)).toEqual([1, 2]);
    for (let answered = 0; answered < 3; answered++) {
      expect(recorder.held).toHaveLength(1);
      recorder.release(204);
      await settle();
    }
    expect(postedNumbers(server)).toEqual([1, 2, 3, 1]);
  });
});

describe('who asks for order', () => {
  it.each([
    [undefined, undefined, undefined, false],
    [undefined, undefined, true, true],
    [undefined, ORDERED, undefined, true],
    [undefined, PARALLEL, true, false],
    [true, PARALLEL, undefined, true],
    [false, ORDERED, true, false],
  ])('ORDER-06 rule %s, client %j, type %s: ordered %s', async (rule, _meta, orderedWebhooks, expected) => {
    const server = webhookServer({ ordered: () => rule });
    const handle = server.events.define('counted', { ...counted, ...(orderedWebhooks && { orderedWebhooks }) });
    const { result } = await server.trySubscribe('counted', { _meta });
    await settle();
    expect(result._meta?.[ORDERED_META_KEY]).toBe(expected ? true : undefined);
    expect(server.events.inspect().subscription(result.id)?.lane?.ordered).toBe(expected);
    server.recorder.answer = () => 'hang';
    await handle.emit({ n: 1 });
    await handle.emit({ n: 2 });
    await settle();
    expect(postedNumbers(server)).toEqual(expected ? [1] : [1, 2]);
  });

  it('ORDER-06 asks the rule with who subscribes to what, and reports one that fails or says nonsense', async () => {
    const asked: OrderedPeer[] = [];
    const answers = [
      () => true,
      () => {
        throw new Error('the rule failed');
      },
      () => 'yes' as never,
      () => Promise.resolve(true) as never,
    ];
    const server = webhookServer({
      ordered: (peer) => {
        asked.push(peer);
        return answers[asked.length - 1]?.();
      },
    });
    server.events.define('counted', counted);
    const ordered: unknown[] = [];
    for (const path of ['/a', '/b', '/c', '/d']) {
      const { result } = await server.trySubscribe('counted', { url: TRUSTED + path });
      ordered.push(result._meta?.[ORDERED_META_KEY]);
    }
    expect(asked[0]).toMatchObject({ principal: 'alice', url: `${TRUSTED}/a`, name: 'counted' });
    expect(ordered).toEqual([true, undefined, undefined, undefined]);
    expect(server.errors.map(({ stage }) => stage)).toEqual(Array.from({ length: 3 }, () => 'webhooks.ordered'));
  });

  it.each(['yes', 1, null, {}])('ORDER-06 ERR-01 refuses %j as the wish of a client', async (wish) => {
    const server = webhookServer();
    server.events.define('counted', counted);
    const { error } = await server.trySubscribe('counted', { _meta: { [ORDERED_META_KEY]: wish } });
    expect(error).toMatchObject({ code: -32602, message: expect.stringContaining(ORDERED_META_KEY) });
  });

  it.each(['yes', 1, null])('ORDER-06 refuses %j as the wish of an event type', (wish) => {
    const server = webhookServer();
    expect(() => server.events.define('counted', { ...counted, orderedWebhooks: wish as never })).toThrow(
      'orderedWebhooks of event type "counted" must be a boolean',
    );
  });

  it('ORDER-06 follows the last refresh: what was on its way is answered before order begins, and nothing waits after its end', async () => {
    const server = webhookServer();
    const { recorder } = server;
    const handle = server.events.define('counted', counted);
    const emit = async (n: number): Promise<void> => {
      await handle.emit({ n });
      await settle();
    };
    await server.subscribe('counted');
    recorder.answer = () => 'hang';
    await emit(1);
    await emit(2);
    await server.subscribe('counted', { _meta: ORDERED });
    await emit(3);
    await emit(4);
    recorder.release(204, ({ body }) => body.data.n === 1);
    await settle();
    expect(postedNumbers(server)).toEqual([1, 2]);
    recorder.release(204);
    await settle();
    expect(postedNumbers(server)).toEqual([1, 2, 3]);
    await emit(5);
    await server.subscribe('counted');
    expect(postedNumbers(server)).toEqual([1, 2, 3, 4, 5]);
  });

  it('ORDER-06 ORDER-05 DELIV-04 begins with what failed and waits for its retry, once', async () => {
    const server = webhookServer();
    const { recorder } = server;
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    recorder.answer = () => 500;
    await handle.emit({ n: 1 });
    await handle.emit({ n: 2 });
    await settle();
    await server.subscribe('counted', { _meta: ORDERED });
    recorder.answer = () => 'hang';
    await server.clock.advance(5_000);
    expect(postedNumbers(server)).toEqual([1, 2, 1]);
    recorder.release(204);
    await settle();
    expect(postedNumbers(server)).toEqual([1, 2, 1, 2]);
  });

  it.each([
    ['fails', 500],
    ['is reset', 'reset'],
  ] as const)('ORDER-06 DELIV-04 goes on when what was on its way as order began %s', async (_, answer) => {
    const server = webhookServer();
    const { recorder } = server;
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    recorder.answer = () => 'hang';
    for (const n of [1, 2]) await handle.emit({ n });
    await settle();
    await server.subscribe('counted', { _meta: ORDERED });
    recorder.answer = () => 204;
    recorder.release(answer);
    await server.clock.advance(5_000);
    expect(postedNumbers(server)).toEqual([1, 2, 1, 2]);
  });

  it('ORDER-06 TTL-11 is kept across a restart, as it was agreed last', async () => {
    const clock = new FakeClock();
    const store = new TestSubscriptionStore();
    const storage = keptStorage(clock);
    const start = (): { server: WebhookTestServer; emit: (n: number) => Promise<unknown> } => {
      // What the client calls itself is not known when its subscription comes back: the answer is, not the question.
      const server = webhookServer({ store, ordered: () => undefined }, { clock, storage });
      const handle = server.events.define('counted', { ...counted, retention: { maxAgeMs: 1e9 } });
      return { server, emit: (n) => handle.emit({ n }) };
    };
    const first = start();
    const { id } = await first.server.subscribe('counted', { _meta: ORDERED });
    await first.server.close();
    const second = start();
    await settle();
    second.server.recorder.answer = () => 'hang';
    await second.emit(1);
    await second.emit(2);
    await settle();
    expect(postedNumbers(second.server)).toEqual([1]);
    expect(second.server.events.inspect().subscription(id)?.lane?.ordered).toBe(true);
    await second.server.subscribe('counted');
    expect(store.records.map(({ ordered }) => ordered)).toEqual([undefined]);
  });
});
