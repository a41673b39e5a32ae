import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { Reader, settle, world } from './support/world.ts';

describe('push', () => {
  it('hands out pushed events', async () => {
    const { server, events } = await world();
    const subscription = await events.subscribe('incident.created', { severity: 'P1' });
    await settle();
    const reader = new Reader(subscription);
    const stream = server.stream();
    stream.active('c0');
    stream.event('e1', 'c1');
    stream.event('e2', 'c2');
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2']);
    expect(subscription.cursor).toBe('c2');
    expect(server.requests(Methods.stream)).toHaveLength(1);
    await events.close();
  });
});
