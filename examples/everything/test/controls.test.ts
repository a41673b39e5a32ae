import { describe, expect, it } from 'vitest';
import type { RawClient } from './support/rawClient.ts';
import { startWorld } from './support/world.ts';

const control = (name: string): string => `events_conformance_${name}`;

const emitted = ['chat.message', 'alert.fired', 'build.finished', 'feed.pushonly'];

/** Fits every payload schema of the emitted types. */
const data = { channel: '', author: '', text: '', severity: 'low', message: '', build: '', status: 'passed' };

async function cause(client: RawClient, name: string): Promise<void> {
  if (name === 'counter.tick') await client.text('append', { n: 1 });
  else await client.text('emit', { name, data });
}

describe('the controls', () => {
  it('are offered only when asked for', async () => {
    const names = async (controls: boolean): Promise<string[]> => {
      const { client } = await startWorld({ controls });
      const { tools } = await client.result('tools/list');
      return tools.map(({ name }: any) => name);
    };
    const everyday = ['emit', 'append', 'revoke', 'grant', 'add_type', 'change_type', 'remove_type'];
    expect(await names(false)).toEqual(everyday);
    const all = await names(true);
    expect(all.slice(0, everyday.length)).toEqual(everyday);
    expect(all.slice(everyday.length).toSorted()).toEqual(
      [
        'allow_callback_origin',
        'generation',
        'quota',
        'restart',
        'subscribe_as',
        'subscription_exists',
        'subscription_state',
        'terminate',
        'webhook_gap',
        'webhook_terminate',
        'yield_error',
        'yield_gap',
      ].map(control),
    );
  });

  it('PUSH-07 yield_error is told and the stream goes on', async () => {
    const { client, during } = await startWorld();
    for (const name of [...emitted, 'counter.tick']) {
      const stream = await client.stream(name);
      await client.text(control('yield_error'), { name });
      const failure = await during(stream.find('notifications/events/error'));
      expect(failure.params.error.code, name).toBe(-32603);
      await cause(client, name);
      await during(stream.find('notifications/events/event'));
      await stream.cancel();
    }
  });

  it('PUSH-08 yield_gap is told in mid-stream and the stream goes on', async () => {
    const { client, during } = await startWorld();
    for (const name of [...emitted, 'counter.tick']) {
      const stream = await client.stream(name);
      const first = await stream.find('notifications/events/active');
      expect(first.params.truncated).toBe(false);
      await client.text(control('yield_gap'), { name });
      const gap = await during(stream.find('notifications/events/active'));
      expect(gap.params.truncated, name).toBe(true);
      expect(gap.params.cursor).not.toBe(first.params.cursor);
      await cause(client, name);
      await during(stream.find('notifications/events/event'));
      await stream.cancel();
    }
  });

  it('yield_gap resets polls from before it, once', async () => {
    const { client } = await startWorld();
    for (const name of ['alert.fired', 'counter.tick']) {
      const before = await client.poll(name);
      await client.text(control('yield_gap'), { name });
      const reset = await client.poll(name, before.cursor);
      expect(reset, name).toMatchObject({ events: [], truncated: true });
      expect(await client.poll(name, reset.cursor)).toMatchObject({ events: [], truncated: false });
    }
  });

  it('terminate ends streams and polls of one name', async () => {
    const { client } = await startWorld();
    const stream = await client.stream('build.finished');
    await client.poll('build.finished');
    expect(await client.text(control('terminate'), { name: 'build.finished' })).toBe('2');
    const { params } = await stream.find('notifications/events/terminated');
    expect(await client.error('events/poll', { name: 'build.finished' })).toEqual(params.error);
    expect(await client.error('events/poll', { name: 'build.finished' })).toBeUndefined();
  });

  it('subscription_exists tells principals and modes apart', async () => {
    const { client, alice } = await startWorld();
    const exists = (principal?: string): Promise<string> =>
      client.text(control('subscription_exists'), { principal, name: 'alert.fired' });
    expect([await exists('alice'), await exists()]).toEqual(['false', 'false']);
    const stream = await alice.stream('alert.fired');
    expect([await exists('alice'), await exists('bob'), await exists()]).toEqual(['true', 'false', 'false']);
    await stream.cancel();
    expect(await exists('alice')).toBe('false');
    await client.poll('alert.fired');
    expect(await exists()).toBe('true');
  });

  it('ERR-04 quota names the limit that refuses one subscription too many', async () => {
    const { alice } = await startWorld({ quota: 2 });
    const limit = JSON.parse(await alice.text(control('quota')));
    expect(limit).toEqual({ name: 'alert.fired', max: 2, limit: 'subscriptionsPerPrincipal' });
    for (const severity of ['low', 'medium']) await alice.poll(limit.name, null, { arguments: { severity } });
    const error = await alice.error('events/poll', { name: limit.name, arguments: { severity: 'high' } });
    expect(error).toMatchObject({ code: -32025, data: { limit: limit.limit, max: limit.max } });
  });
});

describe('restart', () => {
  it('PUSH-13 ends streams with their final frame and counts generations', async () => {
    const { client, clock } = await startWorld();
    const stream = await client.stream('alert.fired');
    expect(await client.text(control('generation'))).toBe('1');
    expect([await client.text(control('restart')), await client.text(control('restart'))]).toEqual(['2', '2']);
    expect(await client.text(control('generation'))).toBe('1');
    await clock.advance(100);
    const messages = await stream.rest();
    expect(messages.at(-1)?.result).toMatchObject({ resultType: 'complete' });
    expect(messages.map(({ method }) => method)).not.toContain('notifications/cancelled');
    expect(await client.text(control('generation'))).toBe('2');
  });

  it('POLL-01 goes on after the events emitted before it', async () => {
    const { client, clock } = await startWorld();
    const emit = (eventId: string): Promise<string> =>
      client.text('emit', { name: 'alert.fired', data: { severity: 'low', message: 'x' }, eventId });
    await client.poll('alert.fired');
    await emit('a');
    const { cursor } = await client.poll('alert.fired');
    await emit('b');
    const emitted = await emit('c');
    await client.text(control('restart'));
    await clock.advance(100);
    expect(await emit('c')).toBe(emitted);
    await emit('d');
    const { events, truncated } = await client.poll('alert.fired', cursor);
    expect(events.map(({ eventId }: any) => eventId)).toEqual(['b', 'c', 'd']);
    expect(truncated).toBe(false);
  });

  it('EMIT-09 forgets events under a broken schema and recognises their cursors though their numbers exist again', async () => {
    const { client, clock } = await startWorld();
    const name = 'alert.fired';
    const emit = (): Promise<string> =>
      client.text('emit', { name, data: { severity: 'low', message: 'x' }, count: 3 });
    await client.text('change_type', { name, breaking: true });
    await emit();
    const before = await client.poll(name);
    await client.text(control('restart'));
    await clock.advance(100);
    await emit();
    const after = await client.poll(name, before.cursor);
    expect(after).toMatchObject({ truncated: true });
  });

  it('ORDER-03 loses nothing of a durable source, by poll and by push', async () => {
    const { client, clock } = await startWorld();
    const { cursor } = await client.poll('counter.tick');
    await client.text('append', { n: 2 });
    await client.text(control('restart'));
    await clock.advance(100);
    await client.text('append', { n: 1 });
    const polled = await client.poll('counter.tick', cursor);
    expect(polled.truncated).toBe(false);
    expect(polled.events.map(({ data }: any) => data.value)).toEqual([1, 2, 3]);
    const stream = await client.stream('counter.tick', { cursor });
    const values: number[] = [];
    while (values.length < 3) values.push((await stream.find('notifications/events/event')).params.data.value);
    expect(values).toEqual([1, 2, 3]);
    await stream.cancel();
  });

  it('goes on with chat messages and keeps what was revoked', async () => {
    const { client, alice, clock } = await startWorld();
    await client.text('revoke', { principal: 'alice', name: 'alert.fired' });
    await client.text(control('restart'));
    await clock.advance(100);
    const { cursor } = await client.poll('chat.message');
    await clock.advance(2_000);
    expect((await client.poll('chat.message', cursor)).events).toHaveLength(2);
    expect(await alice.error('events/poll', { name: 'alert.fired' })).toMatchObject({ code: -32024 });
  });
});
