import { forbidden as ours } from '@mcp-events/protocol';
import type * as protocol from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { counted, httpServer } from './kit/servers.ts';
import { webhookServer } from './kit/webhookServer.ts';

/** What an author's program imports where npm has put a second copy of the protocol package. */
const path = new URL('../../protocol/src/errors.ts?another-copy', import.meta.url).href;
const {
  EventsError: OtherError,
  forbidden,
  notFound,
  unsupported,
} = (await import(/* @vite-ignore */ path)) as typeof protocol;

/** It is no error of the class the server knows. */
it('ERR-10 another copy has another class', () => {
  expect(ours() instanceof OtherError).toBe(false);
});

describe('an error of another copy of the protocol package', () => {
  it('ERR-10 ERR-03 refuses a subscription in every mode', async () => {
    const server = webhookServer();
    const refuse = (): never => {
      throw forbidden('not_yours');
    };
    server.events.define('authorized', { ...counted, authorize: refuse });
    server.events.define('begun', { ...counted, onSubscribe: refuse });
    for (const name of ['authorized', 'begun']) {
      const answers = [
        await server.call('events/poll', { name }),
        await server.call('events/stream', { name }),
        await server.trySubscribe(name),
      ];
      expect(answers.map(({ error }) => [error?.code, error?.data])).toEqual(
        answers.map(() => [-32024, { reason: 'not_yours' }]),
      );
    }
    expect(server.errors).toEqual([]);
  });

  it('ERR-10 PUSH-07 of a check ends what it ends', async () => {
    const server = httpServer();
    const upstream: { error?: Error } = {};
    server.events.define('checked', {
      ...counted,
      check: () => {
        if (upstream.error !== undefined) throw upstream.error;
        return { events: [], cursor: '1' };
      },
      nextPollMs: 1_000,
    });
    const stream = await server.stream('checked');
    await stream.take(1);
    upstream.error = notFound('event', 'deleted upstream');
    await server.clock.advance(1_000);
    const messages = await stream.rest();
    expect(messages[0]).toMatchObject({
      method: 'notifications/events/terminated',
      params: { error: { code: -32023, data: { kind: 'event' } } },
    });
    expect(await server.call('events/poll', { name: 'checked' })).toMatchObject({ error: { code: -32023 } });
  });

  it('ERR-10 AUTH-02 ends a stream when it is authorized again, and by terminate', async () => {
    const server = httpServer({ reauthorizeIntervalMs: 1_000 });
    let allowed = true;
    server.events.define('counted', {
      ...counted,
      authorize: () => {
        if (!allowed) throw forbidden('withdrawn');
        return true;
      },
    });
    const [first, second] = [await server.stream('counted'), await server.stream('counted')];
    await first.take(1);
    await second.take(1);
    await server.events.terminate({ name: 'counted' }, unsupported('payloadSchema', { reason: 'schema_changed' }));
    await settle();
    expect((await first.rest())[0]).toMatchObject({ params: { error: { code: -32026 } } });
    const third = await server.stream('counted');
    await third.take(1);
    allowed = false;
    await server.clock.advance(2_000);
    expect((await third.rest())[0]).toMatchObject({
      params: { error: { code: -32024, data: { reason: 'withdrawn' } } },
    });
    expect(server.events.subscriptions()).toEqual([]);
  });
});
