import { describe, expect, it } from 'vitest';
import { SECRET } from './support/rawClient.ts';
import { startWorld } from './support/world.ts';

const exists = 'events_conformance_subscription_exists';

describe('callers', () => {
  it('with an unknown token are refused over HTTP', async () => {
    const { client } = await startWorld();
    const response = await client.as('guessed').post('events/list');
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token"/);
  });

  it('AUTH-03 AUTH-04 without a token poll and stream as nobody, but get no webhook', async () => {
    const { client } = await startWorld({ tokens: new Map() });
    await client.poll('alert.fired');
    const stream = await client.stream('alert.fired');
    expect(await client.text(exists, { name: 'alert.fired' })).toBe('true');
    const { events } = await client.result('events/list');
    expect(events.flatMap(({ delivery }: any) => delivery)).not.toContain('webhook');
    const delivery = { mode: 'webhook', url: 'https://example.com/', secret: SECRET };
    const refused = await client.error('events/subscribe', { name: 'alert.fired', delivery });
    expect(refused).toMatchObject({ code: -32024 });
    await stream.cancel();
  });

  it('without a token act as the anonymous principal where there is one', async () => {
    const origin = 'http://127.0.0.1:9';
    const { client, alice } = await startWorld({ anonymous: 'carol', callbackOrigins: [origin] });
    await client.poll('alert.fired');
    await client.subscribe('alert.fired', origin);
    for (const url of [undefined, origin]) {
      expect(await client.text(exists, { name: 'alert.fired', principal: 'carol', url })).toBe('true');
    }
    expect(await client.error('events/poll', { name: 'secret.topic', arguments: { team: 'carol' } })).toBeUndefined();
    expect(await alice.error('events/poll', { name: 'secret.topic', arguments: { team: 'carol' } })).toMatchObject({
      code: -32024,
    });
  });
});
