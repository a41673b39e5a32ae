import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { counted } from './kit/servers.ts';
import { isSignedWith, secretOf, TRUSTED, webhookServer } from './kit/webhookServer.ts';

describe('events/subscribe', () => {
  it('SUB-09 TTL-01 DELIV-01 DELIV-02 SIG-03 answers with a grant and posts signed events', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    const result = await server.subscribe('counted');
    expect(result).toEqual({
      resultType: 'complete',
      id: expect.stringMatching(/^sub_[\w-]{32}$/),
      refreshBefore: '2026-01-01T01:00:00.000Z',
      cursor: expect.any(String),
      truncated: false,
    });
    const { cursor, eventId } = await handle.emit({ n: 1 });
    await settle();
    const [delivery, ...others] = server.recorder.requests;
    expect(others).toEqual([]);
    expect(delivery).toMatchObject({
      method: 'POST',
      path: '/a',
      headers: {
        'content-type': 'application/json',
        'x-mcp-subscription-id': result.id,
        'webhook-timestamp': '1767225600',
      },
      body: { eventId, name: 'counted', timestamp: '2026-01-01T00:00:00.000Z', data: { n: 1 }, cursor },
    });
    expect(isSignedWith(delivery!, secretOf())).toBe(true);
    expect(server.errors).toEqual([]);
  });
});
