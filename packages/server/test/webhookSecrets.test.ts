import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { inspect } from 'node:util';
import { Events } from '@mcp-events/server';
import type { ServerSigningKey } from '@mcp-events/server';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { echo, secureServer, STRANGER } from './kit/secureServer.ts';
import { counted } from './kit/servers.ts';
import { TestSubscriptionStore } from './kit/storage.ts';
import { isSignedWith, secretOf, signaturesOf, TRUSTED, webhookServer } from './kit/webhookServer.ts';
import type { TestWebhookOptions } from './kit/webhookServer.ts';

const bytes = (length: number): string => `whsec_${Buffer.alloc(length, 7).toString('base64')}`;

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the secret of a client', () => {
  it.each([24, 25, 32, 63, 64])('SIG-01 may have %d bytes', async (length) => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { secret: bytes(length) });
    await handle.emit({ n: 1 });
    await settle();
    expect(isSignedWith(server.recorder.events[0]!, bytes(length))).toBe(true);
  });

  it.each<[string, unknown]>([
    ['none', undefined],
    ['null', null],
    ['a number', 5],
    ['nothing', ''],
    ['the prefix alone', 'whsec_'],
    ['no prefix', bytes(32).slice(6)],
    ['another prefix', bytes(32).replace('whsec_', 'WHSEC_')],
    ['23 bytes', bytes(23)],
    ['65 bytes', bytes(65)],
    ['another alphabet', `whsec_${'-_'.repeat(20)}`],
    ['no padding', `whsec_${'A'.repeat(43)}`],
    ['white space', `${bytes(32)} `],
    ['a line break', `${bytes(30).slice(0, 20)}\n${bytes(30).slice(20)}`],
  ])('SIG-01 SIG-02 ERR-01 must not be %s, and is not repeated', async (_what, secret) => {
    const server = webhookServer();
    server.events.define('counted', counted);
    const params = { name: 'counted', delivery: { url: `${TRUSTED}/a`, secret } };
    const answer = await server.call('events/subscribe', params, { as: 'alice' });
    expect(answer.error?.code).toBe(-32602);
    expect(answer.error?.message).toContain('delivery.secret: ');
    if (typeof secret === 'string' && secret.length > 6) expect(JSON.stringify(answer)).not.toContain(secret.trim());
  });

  it('SIG-03 SIG-04 is the key of a signature that the library of the standard verifies, made anew each time', async () => {
    const server = webhookServer();
    const handle = server.events.define('text', { payload: { type: 'object' } });
    await server.subscribe('text', { secret: secretOf(9) });
    server.recorder.answer = () => 500;
    await handle.emit({ text: 'é "quoted" \u2028 <&> \\u0041' });
    await server.clock.advance(10_000);
    const [first, second] = server.recorder.deliveries;
    vi.spyOn(Date, 'now').mockImplementation(() => server.clock.now());
    for (const { headers, text } of [first!, second!]) {
      expect(new Webhook(secretOf(9)).verify(text, headers)).toMatchObject({ name: 'text' });
      expect(() => new Webhook(secretOf(8)).verify(text, headers)).toThrow();
    }
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    for (const header of ['webhook-timestamp', 'webhook-signature']) {
      expect(second?.headers[header]).not.toBe(first?.headers[header]);
    }
  });

  it('SIG-05 SUB-10 OP-29 a new one takes over with the refresh; the old one signs along for a while, and no consent is asked', async () => {
    const server = secureServer({ rotationGraceMs: 60_000 });
    const handle = server.events.define('counted', counted);
    const keys = async (n: number): Promise<number[]> => {
      await handle.emit({ n });
      await settle(50);
      const delivery = server.recorder.events.at(-1)!;
      const fills = [1, 2, 3].filter((fill) => isSignedWith(delivery, secretOf(fill)));
      expect(signaturesOf(delivery.headers)).toHaveLength(fills.length);
      return fills;
    };
    await server.subscribe('counted', { url: STRANGER, secret: secretOf(1) });
    expect(await keys(1)).toEqual([1]);
    await server.subscribe('counted', { url: STRANGER, secret: secretOf(2) });
    expect(await keys(2)).toEqual([1, 2]);
    await server.clock.advance(30_000);
    // The same one again does not begin the time anew.
    await server.subscribe('counted', { url: STRANGER, secret: secretOf(2) });
    await server.clock.advance(29_999);
    expect(await keys(3)).toEqual([1, 2]);
    await server.clock.advance(1);
    expect(await keys(4)).toEqual([2]);
    // Two changes in a row: the newest, and the one before it.
    await server.subscribe('counted', { url: STRANGER, secret: secretOf(1) });
    await server.subscribe('counted', { url: STRANGER, secret: secretOf(3) });
    expect(await keys(5)).toEqual([1, 3]);
    expect(server.recorder.challenges).toHaveLength(1);
  });

  it('SIG-05 without a time of grace the new one is alone at once, also for what is tried again', async () => {
    const server = webhookServer({ rotationGraceMs: 0 });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { secret: secretOf(1) });
    server.recorder.answer = () => 500;
    await handle.emit({ n: 1 });
    await settle();
    await server.subscribe('counted', { secret: secretOf(2) });
    await server.clock.advance(10_000);
    const last = server.recorder.deliveries.at(-1)!;
    expect([1, 2].map((fill) => isSignedWith(last, secretOf(fill)))).toEqual([false, true]);
  });

  it('SIG-02 SIG-05 appears nowhere: not in answers, logs, warnings, lists, and not when objects are printed', async () => {
    const store = new TestSubscriptionStore();
    const failing: TestWebhookOptions = { store, retry: { attempts: 1 }, suspension: { minAttempts: 2 } };
    const server = secureServer(failing, { limits: { payloadWarningBytes: 1 } });
    const seen: unknown[] = [];
    const contexts: unknown[] = [];
    const handle = server.events.define('counted', {
      ...counted,
      authorize: (context) => contexts.push(context) > 0,
      onSubscribe: (context) => void contexts.push(context),
      match: (context) => contexts.push(context) > 0,
      onUnsubscribe: (context) => {
        contexts.push(context);
        throw new Error('cannot let go');
      },
    });
    const secret = secretOf(0xa5);
    const options = { url: STRANGER, secret };
    server.recorder.answer = () => 403;
    seen.push(await server.trySubscribe('counted', options));
    server.recorder.answer = () => undefined;
    seen.push(await server.trySubscribe('counted', options));
    server.recorder.answer = () => 500;
    for (const n of [1, 2]) await handle.emit({ n });
    await settle(50);
    seen.push(await server.trySubscribe('counted', { ...options, secret: secretOf(0xa6) }));
    seen.push(await server.trySubscribe('counted', { ...options, ttlMs: 'x' as never }));
    store.failing.add('save');
    seen.push(await server.trySubscribe('counted', options));
    store.failing.clear();
    seen.push(
      server.events.subscriptions(),
      await server.events.deadLetters(),
      await server.unsubscribe('counted', options),
    );
    await settle();
    seen.push(contexts, server.errors, server.warnings, server.events, server.events.webhookKeys());
    expect(server.errors.length).toBeGreaterThan(1);
    expect(server.warnings.length).toBeGreaterThan(0);
    const raw = [0xa5, 0xa6].map((fill) => secretOf(fill).slice('whsec_'.length, -6));
    for (const thing of [...seen, ...server.errors.map(({ error }) => (error as Error).stack)]) {
      for (const text of [inspect(thing, { depth: 20, showHidden: true }), JSON.stringify(thing) ?? '']) {
        for (const part of ['whsec_', ...raw, 'a5 a5 a5', '165, 165', '165,165']) expect(text).not.toContain(part);
      }
    }
  });
});

describe('the key of the server', () => {
  const pair = generateKeyPairSync('ed25519');

  it.each<[string, ServerSigningKey['privateKey']]>([
    ['a key object', pair.privateKey],
    ['a JWK', pair.privateKey.export({ format: 'jwk' })],
    ['PEM', pair.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string],
  ])('SIG-12 as %s signs deliveries and challenges as well', async (_form, privateKey) => {
    const server = secureServer({ signingKey: { kid: 'k1', privateKey } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { url: STRANGER });
    await handle.emit({ n: 1 });
    await settle(50);
    const [jwk] = server.events.webhookKeys().keys;
    expect(jwk).toEqual({ kty: 'OKP', crv: 'Ed25519', kid: 'k1', x: expect.any(String) });
    const key = createPublicKey({ key: { ...jwk }, format: 'jwk' });
    expect(server.recorder.requests.filter(({ method }) => method === 'POST')).toHaveLength(2);
    for (const request of [...server.recorder.challenges, ...server.recorder.events]) {
      const [v1, v1a, ...more] = signaturesOf(request.headers);
      expect([v1?.slice(0, 3), v1a?.slice(0, 4), more]).toEqual(['v1,', 'v1a,', []]);
      expect(isSignedWith(request, secretOf())).toBe(true);
      const content = `${request.headers['webhook-id']}.${request.headers['webhook-timestamp']}.${request.text}`;
      const signature = Buffer.from(v1a!.slice('v1a,'.length), 'base64');
      expect(verify(null, Buffer.from(content), key, signature)).toBe(true);
    }
  });

  it('SIG-12 is none unless it is given', () => {
    expect(webhookServer().events.webhookKeys()).toEqual({ keys: [] });
  });

  it.each<[string, unknown]>([
    ['another kind of key', { kid: 'k', privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey }],
    ['a public key', { kid: 'k', privateKey: pair.publicKey }],
    ['rubbish', { kid: 'k', privateKey: 'TOP-SECRET' }],
    ['no name', { kid: '', privateKey: pair.privateKey }],
  ])('SIG-12 SIG-02 refuses %s without quoting it', (_what, signingKey) => {
    const create = (): Events => new Events({ webhooks: { signingKey: signingKey as ServerSigningKey } });
    expect(create).toThrow(TypeError);
    expect(create).not.toThrow(/TOP-SECRET/);
  });
});

describe('the echo', () => {
  it('VERIFY-10 SIG-02 may hold anything: nothing of it is kept or told', async () => {
    const server = secureServer();
    server.events.define('counted', counted);
    server.recorder.answer = (request) => {
      if (request.method === 'GET') return 404;
      const answer = echo(request) as { body: string };
      return { status: 200, headers: { 'set-cookie': 'MARKER=1' }, body: answer.body.replace('}', ',"x":"MARKER"}') };
    };
    const answer = await server.trySubscribe('counted', { url: STRANGER });
    expect(answer.result.id).toMatch(/^sub_/);
    expect(inspect([answer, server.events, server.errors, server.warnings], { depth: 20 })).not.toContain('MARKER');
  });
});
