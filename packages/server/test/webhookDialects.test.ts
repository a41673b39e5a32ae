import { errorCodes } from '@mcp-events/protocol';
import { forbidden } from '@mcp-events/server';
import type { WebhookPeer } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { Deployment } from './kit/deployment.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { echo, secureServer, STRANGER } from './kit/secureServer.ts';
import { counted, httpServer } from './kit/servers.ts';
import { keptStorage } from './kit/storage.ts';
import { TRUSTED, webhookServer } from './kit/webhookServer.ts';

/** The dialect of what was posted, as far as the ids tell. */
const isSketch = ({ headers, body }: { headers: Readonly<Record<string, string>>; body: any }): boolean =>
  headers['webhook-id'] === body.eventId;

describe('dialect', () => {
  it.each([
    ['auto', true, 'final'],
    ['auto', false, 'sketch'],
    ['final', true, 'final'],
    ['final', false, 'final'],
    ['sketch', true, 'sketch'],
    ['sketch', false, 'sketch'],
  ] as const)('DIALECT-01 DIALECT-08 option %s, declared %s: %s', async (option, declare, dialect) => {
    const server = secureServer({}, { dialect: option, limits: { subscriptionsPerPrincipal: 1 } });
    const handle = server.events.define('counted', counted);
    server.events.define('polled', { ...counted, delivery: ['poll'] });
    server.events.define('closed', { ...counted, authorize: () => false });
    const { CallbackEndpointError, Forbidden, NotFound, ResourceExhausted, Unsupported } = errorCodes[dialect];
    server.recorder.answer = (request) => (request.body?.type === 'verification' ? 403 : undefined);
    const codes: unknown[] = [];
    for (const [name, url] of [
      ['nothing', TRUSTED],
      ['polled', TRUSTED],
      ['closed', TRUSTED],
      ['counted', STRANGER],
      ['counted', undefined],
      ['counted', `${TRUSTED}/b`],
    ] as const) {
      codes.push((await server.trySubscribe(name, { url, declare })).error?.code);
    }
    expect(codes).toEqual([NotFound, Unsupported, Forbidden, CallbackEndpointError, undefined, ResourceExhausted]);
    await settle();
    await handle.emit({ n: 1 });
    void server.events.terminate({}, forbidden());
    await settle();
    const [told] = server.recorder.envelopes('terminated');
    expect(told?.body.error.code).toBe(Forbidden);
  });

  it('DIALECT-07 DIALECT-04 DIALECT-05 is fixed when a subscription begins, whatever later requests declare', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    for (const [path, first, later] of [
      ['/final', true, false],
      ['/sketch', false, true],
    ] as const) {
      await server.subscribe('counted', { url: TRUSTED + path, declare: first });
      await server.subscribe('counted', { url: TRUSTED + path, declare: later });
    }
    await handle.emit({ n: 1 });
    await settle();
    expect(server.recorder.events.map((request) => [request.path, isSketch(request)])).toEqual([
      ['/final', false],
      ['/sketch', true],
    ]);
  });

  it('DIALECT-07 is selectable per principal, client and url', async () => {
    const peers: WebhookPeer[] = [];
    const server = webhookServer({
      dialect: (peer) => {
        peers.push(peer);
        return peer.url.endsWith('/older') ? 'sketch' : undefined;
      },
    });
    const handle = server.events.define('counted', counted);
    for (const path of ['/older', '/newer']) await server.subscribe('counted', { url: TRUSTED + path });
    const clientInfo = { name: 'tester', version: '1' };
    const delivery = { url: `${TRUSTED}/older`, secret: `whsec_${'A'.repeat(32)}` };
    const _meta = { 'io.modelcontextprotocol/clientInfo': clientInfo };
    await server.result('events/subscribe', { name: 'counted', delivery, _meta }, { as: 'bob' });
    await settle();
    await handle.emit({ n: 1 });
    await settle();
    const older = server.recorder.events.filter(isSketch).map(({ path }) => path);
    const newer = server.recorder.events.filter((request) => !isSketch(request)).map(({ path }) => path);
    expect([older, newer]).toEqual([['/older', '/older'], ['/newer']]);
    expect(peers.at(-1)).toEqual({ principal: 'bob', url: `${TRUSTED}/older`, clientInfo });
  });

  it('DIALECT-07 TTL-10 is kept in the record of the subscription', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription({ declare: false });
    deployment.upstream.add(1);
    const server = await deployment.run({}, { dialect: 'final' });
    expect(server.recorder.events.map(isSketch)).toEqual([true]);
    void server.events.terminate({}, forbidden());
    await settle();
    expect(server.recorder.envelopes('terminated')[0]?.body.error.code).toBe(-32012);
  });

  it('DIALECT-06 DIALECT-05 an unsafe upstream id is mapped before its first use, the same in every mode', async () => {
    const server = webhookServer();
    const eventId = 'line\r\nx-injected: 1 é';
    const handle = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    await server.subscribe('counted', { declare: false });
    await handle.emit({ n: 1 }, { eventId });
    await settle();
    const [delivery] = server.recorder.events;
    expect(delivery?.body.eventId).toMatch(/^[\x21-\x7e]+$/);
    expect(delivery?.headers['webhook-id']).toBe(delivery?.body.eventId);
    expect(delivery?.headers).not.toHaveProperty('x-injected');
    const pushed = (await stream.arrived()).find(({ method }) => method === 'notifications/events/event');
    expect(pushed?.params.eventId).toBe(delivery?.body.eventId);
    expect((await server.poll('counted', cursor)).events[0].eventId).toBe(delivery?.body.eventId);
  });

  it('DIALECT-06 an event that a run for new peers only has stored reaches older ones of the next', async () => {
    const clock = new FakeClock();
    const storage = keptStorage(clock);
    const first = httpServer({ clock, storage, dialect: 'final' });
    const handle = first.events.define('counted', counted);
    const { cursor } = await first.poll('counted', null);
    await handle.emit({ n: 1 }, { eventId: 'line 1\nline 2' });
    await first.events.close();
    const second = webhookServer({}, { clock, storage });
    second.events.define('counted', counted);
    await second.subscribe('counted', { cursor, declare: false });
    await settle();
    const [delivery] = second.recorder.events;
    expect(delivery?.headers['webhook-id']).toMatch(/^[\x21-\x7e]+$/);
    expect(delivery?.headers['webhook-id']).toBe(delivery?.body.eventId);
  });

  it('DIALECT-11 UNSUB-02 unsubscribing from nothing succeeds for older peers, also twice', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    await server.subscribe('counted', { declare: false });
    for (let round = 0; round < 3; round++) {
      expect((await server.unsubscribe('counted', { declare: false })).result.resultType).toBe('complete');
    }
    expect((await server.unsubscribe('counted')).error?.code).toBe(-32023);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('DIALECT-12 for older peers every member is written out, null included', async () => {
    const server = webhookServer();
    server.events.define('live', { ...counted, replay: false });
    const result = await server.subscribe('live', { declare: false });
    expect(result).toMatchObject({ cursor: null, truncated: false, refreshBefore: expect.stringMatching(/Z$/) });
  });

  it('VERIFY-02 the challenge is the same in both', async () => {
    const server = secureServer({ receiverDocuments: false });
    server.events.define('counted', counted);
    server.recorder.answer = echo;
    await server.subscribe('counted', { url: STRANGER, declare: false });
    expect(server.recorder.challenges[0]?.headers['webhook-id']).toMatch(/^msg_verification_/);
  });
});
