import { describe, expect, it } from 'vitest';
import { startWorld } from './support/world.ts';

const alert = { severity: 'high', message: 'disk full' };

describe('emit', () => {
  it('OCC-01 OCC-03 passes id and time on', async () => {
    const { client } = await startWorld();
    const { cursor } = await client.poll('alert.fired');
    const timestamp = '2020-02-03T04:05:06Z';
    const answer = await client.text('emit', { name: 'alert.fired', data: alert, eventId: 'a1', timestamp });
    const polled = await client.poll('alert.fired', cursor);
    expect(JSON.parse(answer)).toEqual({ count: 1, eventId: 'a1', cursor: polled.cursor });
    const [event] = polled.events;
    expect(event).toMatchObject({ eventId: 'a1', name: 'alert.fired', data: alert });
    expect(Date.parse(event.timestamp)).toBe(Date.parse(timestamp));
    expect((await client.poll('alert.fired', cursor)).events).toEqual([event]);
  });

  it('repeats an event under numbered ids', async () => {
    const { client } = await startWorld();
    const { cursor } = await client.poll('alert.fired');
    const answer = await client.text('emit', { name: 'alert.fired', data: alert, eventId: 'a', count: 3 });
    expect(JSON.parse(answer)).toMatchObject({ count: 3, eventId: 'a-3' });
    const { events } = await client.poll('alert.fired', cursor);
    expect(events.map(({ eventId }: any) => eventId)).toEqual(['a-1', 'a-2', 'a-3']);
  });

  it('OCC-04 refuses data that violates the payload schema, and says why', async () => {
    const { client } = await startWorld();
    const { cursor } = await client.poll('alert.fired');
    const answer = await client.tool('emit', { name: 'alert.fired', data: { severity: 'high' } });
    expect(answer).toEqual({ isError: true, text: expect.stringContaining("'message'") });
    expect((await client.poll('alert.fired', cursor)).events).toEqual([]);
  });

  it('names the types there are for a name there is not', async () => {
    const { client } = await startWorld();
    const answer = await client.tool('emit', { name: 'alert.fire', data: alert });
    expect(answer).toEqual({ isError: true, text: expect.stringContaining('alert.fired') });
  });
});

describe('revoke and grant', () => {
  it('AUTH-01 decide who may subscribe', async () => {
    const { alice, bob } = await startWorld();
    const name = 'build.finished';
    await alice.text('revoke', { principal: 'alice', name });
    expect(await alice.error('events/poll', { name })).toMatchObject({ code: -32024 });
    expect(await alice.error('events/stream', { name })).toMatchObject({ code: -32024 });
    expect(await bob.error('events/poll', { name })).toBeUndefined();
    expect(await alice.error('events/poll', { name: 'alert.fired' })).toBeUndefined();
    await alice.text('grant', { principal: 'alice', name });
    expect(await alice.error('events/poll', { name })).toBeUndefined();
    const stream = await alice.stream(name);
    await stream.cancel();
  });

  it('TERM-09 end live subscriptions of that principal, poll and push with the same error', async () => {
    const { alice, bob } = await startWorld();
    const name = 'build.finished';
    const [ofAlice, ofBob] = [await alice.stream(name), await bob.stream(name)];
    await alice.poll(name);
    expect(await bob.text('revoke', { principal: 'alice', name })).toBe('2');
    const messages = await ofAlice.rest();
    expect(messages.map(({ method }) => method)).toEqual([
      'notifications/events/active',
      'notifications/events/terminated',
      undefined,
    ]);
    expect(messages.at(-1)?.result).toMatchObject({ resultType: 'complete' });
    const error = messages[1]?.params.error;
    expect(error).toMatchObject({ code: -32024, data: { reason: 'revoked' } });
    expect(await alice.error('events/poll', { name })).toEqual(error);
    await bob.text('emit', { name, data: { build: '1', status: 'passed' } });
    expect((await ofBob.find('notifications/events/event')).params.data.build).toBe('1');
    await ofBob.cancel();
  });
});

describe('changes of types', () => {
  it('LIST-09 add_type offers one, is announced, and serves it beside the others', async () => {
    const { client } = await startWorld();
    const listening = await client.listen();
    await listening.find('notifications/subscriptions/acknowledged');
    await client.text('add_type', { name: 'alert.fired.v2' });
    await listening.find('notifications/events/list_changed');
    const { events } = await client.result('events/list');
    expect(events.map(({ name }: any) => name)).toEqual(expect.arrayContaining(['alert.fired', 'alert.fired.v2']));
    const { cursor } = await client.poll('alert.fired.v2');
    await client.text('emit', { name: 'alert.fired.v2', data: { text: 'hello' } });
    expect((await client.poll('alert.fired.v2', cursor)).events[0].data).toEqual({ text: 'hello' });
    expect(await client.tool('add_type', { name: 'alert.fired' })).toMatchObject({ isError: true });
    await listening.cancel();
  });

  it('TERM-04 change_type can grow a schema without ending anything', async () => {
    const { client } = await startWorld();
    const stream = await client.stream('alert.fired');
    await client.text('change_type', { name: 'alert.fired', breaking: false });
    await client.text('change_type', { name: 'alert.fired', breaking: false });
    await client.text('emit', { name: 'alert.fired', data: { ...alert, addedByChange1: 'x', addedByChange2: 'y' } });
    const event = await stream.find('notifications/events/event');
    expect(event.params.data).toMatchObject({ addedByChange1: 'x', addedByChange2: 'y' });
    await stream.cancel();
  });

  it('TERM-03 change_type can break a schema, again and again', async () => {
    const { client } = await startWorld();
    for (const name of ['chat.message', 'chat.message', 'counter.tick', 'live.presence']) {
      const stream = await client.stream(name);
      await client.text('change_type', { name, breaking: true });
      const { params } = await stream.find('notifications/events/terminated');
      expect(params.error).toMatchObject({
        code: -32026,
        data: { feature: 'payloadSchema', reason: 'schema_changed' },
      });
    }
  });

  it('a broken schema still takes what its source sends', async () => {
    const { client, clock, problems } = await startWorld();
    for (const name of ['chat.message', 'counter.tick']) await client.text('change_type', { name, breaking: true });
    const chat = await client.poll('chat.message');
    const counter = await client.poll('counter.tick');
    await clock.advance(1_000);
    await client.text('append', { n: 1 });
    expect((await client.poll('chat.message', chat.cursor)).events).toHaveLength(1);
    expect((await client.poll('counter.tick', counter.cursor)).events).toHaveLength(1);
    expect(problems).toEqual([]);
  });

  it('TERM-02 remove_type ends its subscriptions with NotFound', async () => {
    const { client } = await startWorld();
    const stream = await client.stream('build.finished');
    await client.text('remove_type', { name: 'build.finished' });
    const { params } = await stream.find('notifications/events/terminated');
    expect(params.error).toMatchObject({ code: -32023, data: { kind: 'event' } });
    const { events } = await client.result('events/list');
    expect(events.map(({ name }: any) => name)).not.toContain('build.finished');
    expect(await client.tool('remove_type', { name: 'build.finished' })).toMatchObject({ isError: true });
  });
});
