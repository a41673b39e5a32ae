import { describe, expect, it } from 'vitest';
import { SECRET } from './support/rawClient.ts';
import { startWorld } from './support/world.ts';

const modes = {
  'chat.message': ['poll', 'push', 'webhook'],
  'counter.tick': ['poll', 'push', 'webhook'],
  'alert.fired': ['poll', 'push', 'webhook'],
  'build.finished': ['poll', 'push', 'webhook'],
  'feed.pollonly': ['poll'],
  'feed.pushonly': ['push'],
  'live.presence': ['push', 'webhook'],
  'secret.topic': ['poll', 'push', 'webhook'],
};

const origin = 'http://127.0.0.1:9';

describe('the event types', () => {
  it('LIST-01 are listed in order with their modes and both schemas', async () => {
    const { alice } = await startWorld();
    const { events } = await alice.result('events/list');
    expect(events.map(({ name, delivery }: any) => [name, delivery])).toEqual(Object.entries(modes));
    for (const { description, inputSchema, payloadSchema } of events) {
      expect([inputSchema.type, payloadSchema.type, typeof description]).toEqual(['object', 'object', 'string']);
    }
  });

  it('AUTH-04 are listed to nobody in particular without webhook', async () => {
    const { client } = await startWorld();
    const { events } = await client.result('events/list');
    const pairs = Object.entries(modes).map(([name, listed]) => [name, listed.filter((mode) => mode !== 'webhook')]);
    expect(events.map(({ name, delivery }: any) => [name, delivery])).toEqual(pairs);
  });

  it('LIST-03 fill pages of the size the operator chose', async () => {
    const { client } = await startWorld({ pageSize: 3 });
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await client.result('events/list', cursor === undefined ? {} : { cursor });
      pages.push(page.events.map(({ name }: any) => name));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    const names = Object.keys(modes);
    expect(pages).toEqual([names.slice(0, 3), names.slice(3, 6), names.slice(6)]);
  });

  it('ERR-05 can be had in the modes they list and in no other', async () => {
    const { alice } = await startWorld({ callbackOrigins: [origin] });
    for (const [name, listed] of Object.entries(modes)) {
      const params = { name, arguments: name === 'secret.topic' ? { team: 'alice' } : {} };
      const found: string[] = [];
      const polled = await alice.call('events/poll', params);
      if (polled.error === undefined) found.push('poll');
      else expect(polled.error).toMatchObject({ code: -32026, data: { feature: 'deliveryMode', value: 'poll' } });
      const streamed = await alice.post('events/stream', params);
      if (streamed.headers.get('content-type')?.startsWith('text/event-stream') === true) {
        found.push('push');
        await streamed.body?.cancel();
      } else {
        const { error } = await streamed.json();
        expect(error).toMatchObject({ code: -32026, data: { feature: 'deliveryMode', value: 'push' } });
      }
      const delivery = { mode: 'webhook', url: `${origin}/`, secret: SECRET };
      const subscribed = await alice.call('events/subscribe', { ...params, delivery });
      if (subscribed.error === undefined) found.push('webhook');
      else
        expect(subscribed.error).toMatchObject({ code: -32026, data: { feature: 'deliveryMode', value: 'webhook' } });
      expect(found, name).toEqual(listed);
    }
  });

  it('have null cursors only without replay', async () => {
    const { client } = await startWorld();
    for (const name of ['chat.message', 'live.presence']) {
      const stream = await client.stream(name);
      const active = await stream.find('notifications/events/active');
      expect(active.params.cursor === null, name).toBe(name === 'live.presence');
      await stream.cancel();
    }
    expect((await client.poll('counter.tick')).cursor).toEqual(expect.any(String));
  });
});

describe('chat.message', () => {
  it('arrives once a second', async () => {
    const { client, clock } = await startWorld();
    const { cursor, nextPollMs } = await client.poll('chat.message');
    expect(nextPollMs).toBe(1_000);
    await clock.advance(3_000);
    const { events } = await client.poll('chat.message', cursor);
    expect(events.map(({ data }: any) => data.text)).toEqual(['Message 1', 'Message 2', 'Message 3']);
    const times = events.map(({ timestamp }: any) => Date.parse(timestamp));
    expect([times[1] - times[0], times[2] - times[1]]).toEqual([1_000, 1_000]);
  });

  it('EMIT-05 EMIT-06 is filtered by channel and redacted for who asks for it', async () => {
    const { client, clock } = await startWorld();
    const { cursor } = await client.poll('chat.message');
    await clock.advance(6_000);
    const { events } = await client.poll('chat.message', cursor, { arguments: { channel: 'random', redact: true } });
    expect(events.map(({ data }: any) => [data.channel, data.text])).toEqual([
      ['random', '(redacted)'],
      ['random', '(redacted)'],
    ]);
    const plain = await client.poll('chat.message', cursor, { arguments: { channel: 'random' } });
    expect(plain.events.map(({ data }: any) => data.text)).toEqual(['Message 2', 'Message 5']);
  });

  it('stops with the type and with the server', async () => {
    const { client, clock, problems, close } = await startWorld();
    await client.text('remove_type', { name: 'chat.message' });
    await clock.advance(3_000);
    expect(problems).toEqual([]);
    await close();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('counter.tick', () => {
  it('OCC-07 tells each tick under one id by poll and push', async () => {
    const { client, during } = await startWorld();
    const { cursor } = await client.poll('counter.tick');
    const stream = await client.stream('counter.tick', { cursor });
    expect(await client.text('append', { n: 2 })).toBe('2');
    const pushed = [
      await during(stream.find('notifications/events/event')),
      await during(stream.find('notifications/events/event')),
    ];
    const { events } = await client.poll('counter.tick', cursor);
    expect(events.map(({ data }: any) => data.value)).toEqual([1, 2]);
    expect(pushed.map(({ params }) => params.eventId)).toEqual(events.map(({ eventId }: any) => eventId));
    await stream.cancel();
  });

  it('EMIT-06 passes only multiples of modulo', async () => {
    const { client } = await startWorld();
    const args = { arguments: { modulo: 3 } };
    const { cursor } = await client.poll('counter.tick', null, args);
    await client.text('append', { n: 7 });
    const { events } = await client.poll('counter.tick', cursor, args);
    expect(events.map(({ data }: any) => data.value)).toEqual([3, 6]);
  });

  it('POLL-04 hands out a long past in batches', async () => {
    const { client } = await startWorld();
    let { cursor } = await client.poll('counter.tick');
    await client.text('append', { n: 5_000 });
    const values: number[] = [];
    for (let more = true; more;) {
      const page = await client.poll('counter.tick', cursor, { maxEvents: 1_000 });
      values.push(...page.events.map(({ data }: any) => data.value));
      ({ cursor, hasMore: more } = page);
    }
    expect(values).toEqual(Array.from({ length: 5_000 }, (_, index) => index + 1));
  });
});

describe('secret.topic', () => {
  it('ERR-03 is for the principal of that name only', async () => {
    const { client, alice, bob } = await startWorld();
    const params = { name: 'secret.topic', arguments: { team: 'alice' } };
    expect(await alice.error('events/poll', params)).toBeUndefined();
    expect(await bob.error('events/poll', params)).toMatchObject({ code: -32024 });
    expect(await client.error('events/poll', params)).toMatchObject({ code: -32024 });
    expect(await alice.error('events/poll', { name: 'secret.topic' })).toMatchObject({ code: -32602 });
  });

  it('does not tell one team of another', async () => {
    const { alice } = await startWorld();
    const args = { arguments: { team: 'alice' } };
    const { cursor } = await alice.poll('secret.topic', null, args);
    await alice.text('emit', { name: 'secret.topic', data: { team: 'bob', text: 'not for alice' } });
    await alice.text('emit', { name: 'secret.topic', data: { team: 'alice', text: 'for alice' } });
    const { events } = await alice.poll('secret.topic', cursor, args);
    expect(events.map(({ data }: any) => data.text)).toEqual(['for alice']);
  });
});
