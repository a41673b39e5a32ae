import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { EverythingOptions } from '../src/everythingServer.ts';
import { SECRET } from './support/rawClient.ts';
import { isSignedWith, Receiver } from './support/receiver.ts';
import { startWorld } from './support/world.ts';
import type { World } from './support/world.ts';

const control = (name: string): string => `events_conformance_${name}`;

const alert = { name: 'alert.fired', data: { severity: 'high', message: 'disk full' } };

const FORBIDDEN = -32024;
const INVALID_PARAMS = -32602;

/** A world with a receiver whose origin is allowed. */
async function startWithReceiver(options: Partial<EverythingOptions> = {}): Promise<World & { receiver: Receiver }> {
  const receiver = await Receiver.open();
  return { ...(await startWorld({ callbackOrigins: [receiver.origin], ...options })), receiver };
}

describe('webhook delivery', () => {
  it('DELIV-01 SIG-03 posts events of every kind of source to an allowed callback', async () => {
    const { alice, clock, receiver, problems } = await startWithReceiver();
    const subscribe = async (name: string): Promise<any> => alice.subscribe(name, `${receiver.origin}/${name}`);
    const [chat, tick, presence] = [
      await subscribe('chat.message'),
      await subscribe('counter.tick'),
      await subscribe('live.presence'),
    ];
    expect(presence.cursor).toBeNull();
    await alice.text('append', { n: 1 });
    await alice.text('emit', { name: 'live.presence', data: { user: 'bob', status: 'away' } });
    await clock.advance(1_000);
    const posted = [await receiver.next(chat.id), await receiver.next(tick.id), await receiver.next(presence.id)];
    expect(posted.map(({ body }) => body.data)).toEqual([
      { channel: 'general', author: 'generator', text: 'Message 1' },
      { value: 1 },
      { user: 'bob', status: 'away' },
    ]);
    expect(posted.map(({ path }) => path)).toEqual(['/chat.message', '/counter.tick', '/live.presence']);
    expect(posted.filter((message) => isSignedWith(message, SECRET))).toHaveLength(3);
    expect(problems).toEqual([]);
  });

  it('TERM-01 revoke tells a callback the error that polls get', async () => {
    const { alice, receiver } = await startWithReceiver();
    const { id } = await alice.subscribe('build.finished', receiver.origin);
    await alice.poll('build.finished');
    expect(await alice.text('revoke', { principal: 'alice', name: 'build.finished' })).toBe('2');
    const { body } = await receiver.next(id);
    expect(body).toMatchObject({ type: 'terminated', error: { code: FORBIDDEN, data: { reason: 'revoked' } } });
    expect(await alice.error('events/poll', { name: 'build.finished' })).toEqual(body.error);
  });

  it('TTL-01 TTL-07 TTL-11 is granted for an hour at most, and lapses after a second at least', async () => {
    const { alice, client, clock, receiver } = await startWithReceiver();
    const grant = async (ttlMs: unknown): Promise<number> => {
      const { refreshBefore } = await alice.subscribe('alert.fired', receiver.origin, { ttlMs });
      return Date.parse(refreshBefore) - clock.now();
    };
    expect([await grant(undefined), await grant(null), await grant(86_400_000), await grant(0)]).toEqual([
      3_600_000, 3_600_000, 3_600_000, 1_000,
    ]);
    const exists = (): Promise<string> =>
      client.text(control('subscription_exists'), { principal: 'alice', name: 'alert.fired', url: receiver.origin });
    await clock.advance(999);
    expect(await exists()).toBe('true');
    await clock.advance(1);
    expect(await exists()).toBe('false');
  });
});

describe('allow_callback_origin', () => {
  it('SSRF-01 SSRF-02 VERIFY-02 lifts the guards for one origin, and its endpoint is asked like any other', async () => {
    const { alice, client } = await startWorld();
    const receiver = await Receiver.open();
    const other = await Receiver.open();
    const subscribe = (url: string): Promise<any> =>
      alice.call('events/subscribe', { name: 'alert.fired', delivery: { url, secret: SECRET } });
    expect(await subscribe(`${receiver.origin}/a`)).toMatchObject({ error: { code: INVALID_PARAMS } });
    expect(await client.text(control('allow_callback_origin'), { origin: receiver.origin })).toBe(receiver.origin);
    const { result } = await subscribe(`${receiver.origin}/a`);
    const guarded = [`${other.origin}/a`, `${receiver.origin}0/a`, `${receiver.origin.replace('http:', 'https:')}/a`];
    for (const url of guarded) expect(await subscribe(url), url).toMatchObject({ error: { code: INVALID_PARAMS } });
    await client.text('emit', alert);
    await receiver.next(result.id, ({ body }) => body.name === 'alert.fired');
    expect(receiver.posted.map(({ body }) => body.type ?? body.name)).toEqual(['verification', 'alert.fired']);
    // Not even a challenge.
    expect(other.posted).toEqual([]);
  });

  it.each(['http://127.0.0.1:8080/path', 'ftp://127.0.0.1', '127.0.0.1:8080', ''])('refuses %j', async (origin) => {
    const { client } = await startWorld();
    const answer = await client.tool(control('allow_callback_origin'), { origin });
    expect(answer).toEqual({ isError: true, text: expect.stringContaining('https://example.com:8443') });
  });
});

describe('subscribe_as', () => {
  it('SUB-06 SUB-07 subscribes like that principal, with the id it gets itself', async () => {
    const { alice, bob, client, receiver } = await startWithReceiver();
    const url = `${receiver.origin}/hook`;
    const id = await bob.text(control('subscribe_as'), { principal: 'alice', name: 'alert.fired', url });
    const ofBob = await bob.subscribe('alert.fired', url);
    expect(ofBob.id).not.toBe(id);
    expect((await bob.call('events/unsubscribe', { name: 'alert.fired', delivery: { url } })).result).toBeDefined();
    await client.text('emit', alert);
    expect((await receiver.next(id)).body.data).toEqual(alert.data);
    expect(receiver.posted).toHaveLength(1);
    expect((await alice.subscribe('alert.fired', url)).id).toBe(id);
  });

  it('ERR-04 counts towards the quota of that principal', async () => {
    const { alice, client, receiver } = await startWithReceiver({ quota: 1 });
    await client.text(control('subscribe_as'), { principal: 'alice', name: 'alert.fired', url: receiver.origin });
    const delivery = { url: `${receiver.origin}/other`, secret: SECRET };
    expect(await alice.error('events/subscribe', { name: 'alert.fired', delivery })).toMatchObject({
      code: -32025,
      data: { limit: 'subscriptionsPerPrincipal', max: 1 },
    });
  });

  it.each([
    ['feed.pushonly', '', 'webhook'],
    ['secret.topic', '', 'team'],
    ['no.such.type', '', 'no.such.type'],
    ['alert.fired', '0', 'delivery.url'],
  ])('says why %s with %j after the allowed origin is refused', async (name, suffix, message) => {
    const { client, receiver } = await startWithReceiver();
    const url = `${receiver.origin}${suffix}`;
    expect(await client.tool(control('subscribe_as'), { principal: 'alice', name, url })).toEqual({
      isError: true,
      text: expect.stringContaining(message),
    });
    expect(await client.text(control('subscription_exists'), { principal: 'alice', name, url })).toBe('false');
  });
});

describe('subscription_exists', () => {
  it('SUB-02 tells principals, callbacks and modes apart', async () => {
    const { alice, client, receiver } = await startWithReceiver();
    const exists = (principal: string, url?: string): Promise<string> =>
      client.text(control('subscription_exists'), { principal, name: 'alert.fired', url });
    const url = `${receiver.origin}/a`;
    await alice.subscribe('alert.fired', url);
    expect([
      await exists('alice', url),
      await exists('bob', url),
      await exists('alice', `${url}b`),
      await exists('alice'),
    ]).toEqual(['true', 'false', 'false', 'false']);
    await alice.result('events/unsubscribe', { name: 'alert.fired', delivery: { url } });
    await alice.poll('alert.fired');
    expect([await exists('alice', url), await exists('alice')]).toEqual(['false', 'true']);
  });
});

describe('webhook_gap', () => {
  it('ENV-03 tells the callback the cursor it answers with, and delivery goes on after it', async () => {
    const { alice, client, receiver } = await startWithReceiver();
    const cause = {
      'alert.fired': () => client.text('emit', alert),
      'counter.tick': () => client.text('append', { n: 1 }),
    };
    for (const [name, happen] of Object.entries(cause)) {
      const { id } = await alice.subscribe(name, receiver.origin);
      const cursor = await client.text(control('webhook_gap'), { id });
      expect((await receiver.next(id)).body, name).toMatchObject({ type: 'gap', cursor });
      await happen();
      const { body } = await receiver.next(id);
      expect(body.name).toBe(name);
      const again = await alice.poll(name, cursor);
      expect(again.events.map(({ eventId }: any) => eventId)).toEqual([body.eventId]);
    }
  });

  it('is not available without positions, nor for other modes', async () => {
    const { alice, client, receiver } = await startWithReceiver();
    const { id } = await alice.subscribe('live.presence', receiver.origin);
    const unavailable = await client.tool(control('webhook_gap'), { id });
    expect(unavailable).toEqual({ isError: true, text: expect.stringMatching(/^not available/) });
    expect(await client.tool(control('webhook_gap'), { id: 'sub_1' })).toMatchObject({ isError: true });
  });
});

describe('webhook_terminate', () => {
  it('ENV-05 TERM-06 tells the callback and ends the subscription, which may come back', async () => {
    const { alice, client, receiver } = await startWithReceiver();
    const { id } = await alice.subscribe('alert.fired', receiver.origin);
    const kept = await alice.subscribe('alert.fired', `${receiver.origin}/kept`);
    expect(await client.text(control('webhook_terminate'), { id })).toBe('terminated');
    const { body } = await receiver.next(id);
    expect(body).toEqual({
      type: 'terminated',
      error: { code: FORBIDDEN, message: expect.any(String), data: { reason: 'terminated' } },
    });
    expect(await client.text(control('subscription_state'), { id })).toBe('absent');
    expect(await client.text(control('subscription_state'), { id: kept.id })).toBe('active');
    expect(await client.tool(control('webhook_terminate'), { id })).toMatchObject({ isError: true });
    expect((await alice.subscribe('alert.fired', receiver.origin)).id).toBe(id);
  });
});

describe('subscription_state', () => {
  it('DELIV-13 SUB-13 shows a suspension, which a refresh ends', async () => {
    const { alice, client, clock, receiver } = await startWithReceiver();
    const { id } = await alice.subscribe('alert.fired', receiver.origin);
    const state = (): Promise<string> => client.text(control('subscription_state'), { id });
    expect(await state()).toBe('active');
    receiver.status = 500;
    await client.text('emit', { ...alert, count: 100 });
    for (let second = 0; second < 60 && (await state()) === 'active'; second++) await clock.advance(1_000);
    expect(await state()).toBe('suspended');
    receiver.status = 204;
    const { deliveryStatus } = await alice.subscribe('alert.fired', receiver.origin);
    expect(deliveryStatus).toMatchObject({ active: false, lastError: 'http_5xx' });
    expect(await state()).toBe('active');
  });
});

describe('restart', () => {
  it('OP-13 SUB-06 VERIFY-07 keeps webhook subscriptions, where they stand', async () => {
    const { alice, client, clock, receiver, problems } = await startWithReceiver();
    const names = ['alert.fired', 'counter.tick'];
    const cause = async (message: string): Promise<void> => {
      await client.text('emit', { name: 'alert.fired', data: { severity: 'low', message }, eventId: message });
      await client.text('append', { n: 1 });
    };
    const ids: string[] = [];
    for (const name of names) ids.push((await alice.subscribe(name, receiver.origin)).id);
    const arrival = async (values: readonly unknown[]): Promise<unknown> =>
      Promise.all(ids.map((id, index) => receiver.next(id, ({ body }) => isDeepStrictEqual(body.data, values[index]))));
    await cause('one');
    await arrival([{ severity: 'low', message: 'one' }, { value: 1 }]);
    const cursors = receiver.posted.map(({ body }) => body.cursor);
    // Until the answers of the callback are known as well.
    for (const name of names) {
      while (!cursors.includes((await alice.subscribe(name, receiver.origin)).cursor)) await clock.advance(0);
    }
    receiver.status = 500;
    await cause('two');
    await arrival([{ severity: 'low', message: 'two' }, { value: 2 }]);
    await client.text(control('restart'));
    await clock.advance(100);
    receiver.status = 204;
    await arrival([{ severity: 'low', message: 'two' }, { value: 2 }]);
    await cause('three');
    await arrival([{ severity: 'low', message: 'three' }, { value: 3 }]);
    const posted = receiver.posted.map(({ body }) => String(body.data?.message ?? body.data?.value));
    expect(posted.toSorted()).toEqual(['1', '2', '2', '3', 'one', 'three', 'two', 'two']);
    expect(receiver.posted.filter((message) => !isSignedWith(message, SECRET))).toEqual([]);
    for (const [index, name] of names.entries()) {
      const refreshed = await alice.subscribe(name, receiver.origin);
      expect(refreshed).toMatchObject({ id: ids[index], truncated: false });
    }
    expect(problems).toEqual([]);
  });

  it('keeps neither what was ended nor what lapsed, but the allowed origins', async () => {
    const { alice, client, clock } = await startWorld();
    const receiver = await Receiver.open();
    await client.text(control('allow_callback_origin'), { origin: receiver.origin });
    const url = (path: string): string => receiver.origin + path;
    const unsubscribed = await alice.subscribe('alert.fired', url('/a'));
    const terminated = await alice.subscribe('alert.fired', url('/b'));
    const lapsed = await alice.subscribe('alert.fired', url('/c'), { ttlMs: 1_000 });
    await alice.result('events/unsubscribe', { name: 'alert.fired', delivery: { url: url('/a') } });
    await client.text(control('webhook_terminate'), { id: terminated.id });
    await clock.advance(950);
    await client.text(control('restart'));
    await clock.advance(100);
    for (const { id } of [unsubscribed, terminated, lapsed]) {
      expect(await client.text(control('subscription_state'), { id })).toBe('absent');
    }
    expect((await alice.subscribe('alert.fired', url('/d'))).id).toEqual(expect.any(String));
  });

  it('TTL-11 keeps subscriptions to an added type until it is added again', async () => {
    const { alice, client, clock, receiver } = await startWithReceiver();
    await client.text('add_type', { name: 'news' });
    const { id } = await alice.subscribe('news', receiver.origin);
    await client.text(control('restart'));
    await clock.advance(100);
    expect(await client.text(control('subscription_state'), { id })).toBe('absent');
    await client.text('add_type', { name: 'news' });
    await client.text('emit', { name: 'news', data: { text: 'hello' } });
    expect((await receiver.next(id)).body.data).toEqual({ text: 'hello' });
  });
});
