import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { batch, type RawRequest } from './support/rawServer.ts';
import { Reader, settle, world } from './support/world.ts';

describe('poll', () => {
  it('hands out polled events', async () => {
    const { server, events, clock } = await world();
    server.on(Methods.poll, ({ params }: RawRequest) =>
      params['cursor'] === null
        ? batch([], 'c0')
        : params['cursor'] === 'c0'
          ? batch(['e1', 'e2'], 'c2')
          : batch([], 'c2'),
    );
    const subscription = await events.subscribe('incident.created', {}, { delivery: 'poll' });
    const reader = new Reader(subscription);
    await settle();
    await clock.advance(5_000);
    expect(reader.ids).toEqual(['e1', 'e2']);
    expect(subscription.cursor).toBe('c2');
    await events.close();
  });
});
