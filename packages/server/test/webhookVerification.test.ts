import { deriveSubscriptionId } from '@mcp-events/protocol';
import { memoryStorage } from '@mcp-events/server';
import type { WebhookOptions } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { settle, until } from './kit/fakeClock.ts';
import type { Answer, RecordedRequest } from './kit/recorder.ts';
import { echo, holdChallenges, PUBLIC_ADDRESS, secureServer, STRANGER } from './kit/secureServer.ts';
import { counted } from './kit/servers.ts';
import { isSignedWith, secretOf } from './kit/webhookServer.ts';
import type { WebhookTestServer } from './kit/webhookServer.ts';

const DOCUMENT = '/.well-known/mcp-webhook-receiver.json';

type TestedServer = ReturnType<typeof secureServer>;

function verifyingServer(webhooks?: WebhookOptions): TestedServer {
  const server = secureServer(webhooks);
  server.events.define('counted', counted);
  return server;
}

/** Answers challenges in a way of its own. */
function challengesAnswered(server: WebhookTestServer, answer: (request: RecordedRequest) => Answer): void {
  server.recorder.answer = (request) => (request.body?.type === 'verification' ? answer(request) : undefined);
}

/** Publishes where this origin takes webhooks. */
function publish({ recorder }: WebhookTestServer, answer: Answer): void {
  recorder.answer = ({ path }) => (path === DOCUMENT ? answer : undefined);
}

const receivers = (...prefixes: string[]): Answer => ({ status: 200, body: JSON.stringify({ receivers: prefixes }) });
const failure = (reason: string): object => ({ code: -32027, data: { reason } });

describe('the challenge', () => {
  it('VERIFY-01 VERIFY-02 DELIV-02 SIG-03 is signed and headed as usual, and comes before everything else', async () => {
    const server = verifyingServer();
    holdChallenges(server);
    const answer = server.trySubscribe('counted', { url: STRANGER, cursor: 'rubbish' });
    await until(() => server.recorder.challenges.length === 1);
    const [challenge] = server.recorder.challenges as [RecordedRequest];
    expect(challenge).toMatchObject({ method: 'POST', host: 'hooks.example', path: '/a' });
    expect(challenge.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': expect.stringMatching(/^msg_verification_[\w-]{16,}$/),
      'webhook-timestamp': '1767225600',
    });
    expect(Object.keys(challenge.body)).toEqual(['type', 'challenge']);
    expect(isSignedWith(challenge, secretOf())).toBe(true);
    server.recorder.release(echo(challenge));
    expect((await answer).result.id).toBe(challenge.headers['x-mcp-subscription-id']);
  });

  it('VERIFY-02 has a new nonce each time, so that an echo of another one is refused', async () => {
    const server = verifyingServer();
    let first: string | undefined;
    challengesAnswered(server, ({ body }) => {
      first ??= body.challenge as string;
      return { status: 200, body: JSON.stringify({ challenge: first }) };
    });
    await server.subscribe('counted', { url: STRANGER });
    const second = await server.trySubscribe('counted', { url: `${STRANGER}/b` });
    expect(second.error).toMatchObject(failure('challenge_failed'));
    const nonces = server.recorder.challenges.map(({ body }) => body.challenge as string);
    expect(new Set(nonces).size).toBe(2);
    for (const nonce of nonces) expect(nonce.length).toBeGreaterThanOrEqual(32);
  });

  it('VERIFY-02 VERIFY-05 comes to nothing when the echo is late', async () => {
    const server = verifyingServer();
    holdChallenges(server);
    const answer = server.trySubscribe('counted', { url: STRANGER });
    await until(() => server.recorder.challenges.length === 1);
    await server.clock.advance(5_000);
    server.recorder.release(echo(server.recorder.challenges[0]!));
    expect((await answer).error).toMatchObject(failure('timeout'));
    expect(server.events.subscriptions()).toEqual([]);
  });

  it.each<[string, (challenge: string) => Answer]>([
    ['another value', () => ({ status: 200, body: '{"challenge":"x"}' })],
    [
      'another value of the same length',
      (c) => ({ status: 200, body: JSON.stringify({ challenge: 'x'.repeat(c.length) }) }),
    ],
    ['the beginning', (c) => ({ status: 200, body: JSON.stringify({ challenge: c.slice(0, -1) }) })],
    ['no such member', (c) => ({ status: 200, body: JSON.stringify({ Challenge: c }) })],
    ['a list', (c) => ({ status: 200, body: JSON.stringify({ challenge: [c] }) })],
    ['the bare value', (c) => ({ status: 200, body: JSON.stringify(c) })],
    ['text around it', (c) => ({ status: 200, body: `<p>{"challenge":"${c}"}</p>` })],
    ['nothing', () => 204],
    ['null', () => ({ status: 200, body: 'null' })],
    [
      'the echo after 5,000 spaces',
      (c) => ({ status: 200, body: ' '.repeat(5_000) + JSON.stringify({ challenge: c }) }),
    ],
    ['a redirect', (c) => ({ status: 302, headers: { location: '/' }, body: JSON.stringify({ challenge: c }) })],
    ['a client error', (c) => ({ status: 401, body: JSON.stringify({ challenge: c }) })],
    ['a server error', (c) => ({ status: 500, body: JSON.stringify({ challenge: c }) })],
  ])('VERIFY-03 VERIFY-04 OP-08 %s is no consent', async (_what, answer) => {
    const server = verifyingServer();
    challengesAnswered(server, ({ body }) => answer(body.challenge));
    const { error } = await server.trySubscribe('counted', { url: STRANGER });
    expect(error).toMatchObject(failure('challenge_failed'));
    expect(server.events.subscriptions()).toEqual([]);
    expect(server.recorder.requests.map(({ path }) => path)).toEqual([DOCUMENT, '/a']);
  });

  it.each([200, 201, 202, 299])('VERIFY-03 any success with the echo is consent: %d', async (status) => {
    const server = verifyingServer();
    challengesAnswered(server, ({ body }) => ({ status, body: `\n{"more":1,"challenge":"${body.challenge}"}\n` }));
    await server.subscribe('counted', { url: STRANGER });
  });

  it('VERIFY-05 says why an endpoint could not be reached', async () => {
    const server = verifyingServer({ receiverDocuments: false });
    server.recorder.network = 'refusing';
    expect((await server.trySubscribe('counted', { url: STRANGER })).error).toMatchObject(
      failure('connection_refused'),
    );
    server.recorder.network = 'silent';
    const silent = server.trySubscribe('counted', { url: STRANGER });
    await server.clock.advance(5_000);
    expect((await silent).error).toMatchObject(failure('timeout'));
    server.recorder.network = 'up';
    challengesAnswered(server, () => 'reset');
    expect((await server.trySubscribe('counted', { url: STRANGER })).error).toMatchObject(
      failure('connection_refused'),
    );
    server.recorder.certificate = 'untrusted';
    const other = await server.trySubscribe('counted', { url: 'https://other.example/a' });
    expect(other.error).toMatchObject(failure('tls_error'));
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('VERIFY-05 OP-09 a name that does not resolve is a refused connection', async () => {
    const recorded: string[] = [];
    for (const resolve of [() => [], () => Promise.reject(new Error('ENOTFOUND 10.0.0.1'))]) {
      const server = verifyingServer({ egress: { resolve } });
      const { error } = await server.trySubscribe('counted', { url: STRANGER });
      expect(error).toMatchObject(failure('connection_refused'));
      recorded.push(JSON.stringify(error), ...server.recorder.dialled);
    }
    expect(recorded.join()).not.toContain('10.0.0.1');
    expect(recorded).toHaveLength(2);
  });

  it('VERIFY-05 a name whose servers do not answer is not waited for longer than an attempt', async () => {
    const server = verifyingServer({ egress: { resolve: () => new Promise(() => {}) } });
    const answer = server.trySubscribe('counted', { url: STRANGER });
    await server.clock.advance(5_000);
    expect((await answer).error).toMatchObject(failure('connection_refused'));
    expect(server.events.subscriptions()).toEqual([]);
  });
});

describe('dead letters of a subscription before', () => {
  it('VERIFY-01 DELIV-08 are not sent again before the endpoint has consented to the one that has its id now', async () => {
    const storage = memoryStorage();
    const server = secureServer({}, { storage });
    server.events.define('counted', counted);
    const key = { namespace: 'mcp-events', principal: 'alice', name: 'counted', url: STRANGER };
    const subscriptionId = deriveSubscriptionId(key);
    const at = '2026-01-01T00:00:00Z';
    const event = { name: 'counted', eventId: 'e1', timestamp: at, dataJson: '{"n":1}', cursor: null };
    const given = { attempts: 5, reason: 'timeout', abandonedAt: at } as const;
    await storage.deadLetters.add({ subscriptionId, principal: 'alice', ...event, ...given });
    holdChallenges(server);
    const answer = server.trySubscribe('counted', { url: STRANGER });
    await until(() => server.recorder.challenges.length === 1);
    expect(await server.events.redrive()).toBe(0);
    await settle();
    expect(server.recorder.deliveries.filter(({ method }) => method === 'POST')).toEqual([]);
    server.recorder.release(echo(server.recorder.challenges[0]!));
    expect((await answer).result.id).toBe(subscriptionId);
    await settle();
    expect(await server.events.redrive()).toBe(1);
    await settle();
    expect(server.recorder.events.map(({ body }) => body.eventId)).toEqual(['e1']);
  });
});

describe('consent', () => {
  it('VERIFY-01 without it nothing is sent, whatever happens', async () => {
    const server = verifyingServer();
    challengesAnswered(server, () => 403);
    const handle = server.events.define('other', counted);
    const { cursor } = await server.poll('other', null);
    await handle.emit({ n: 1 });
    await server.trySubscribe('other', { url: STRANGER, cursor });
    await handle.emit({ n: 2 });
    await server.clock.advance(60_000);
    expect(server.recorder.deliveries).toEqual([]);
  });

  it('VERIFY-06 OP-29 counts for refreshes and other arguments of the same principal and url, and for no other', async () => {
    const server = verifyingServer();
    await server.subscribe('counted', { url: STRANGER });
    await server.subscribe('counted', { url: STRANGER, secret: secretOf(2) });
    await server.subscribe('counted', { url: STRANGER, arguments: { n: 1 } });
    expect(server.recorder.challenges).toHaveLength(1);
    await server.subscribe('counted', { url: STRANGER, as: 'bob' });
    expect(server.recorder.challenges).toHaveLength(2);
    for (const path of ['/b', '?', '/']) await server.subscribe('counted', { url: STRANGER + path });
    expect(server.recorder.challenges).toHaveLength(5);
  });

  it('VERIFY-06 OP-29 lasts as long as a subscription, and a day longer', async () => {
    const server = verifyingServer();
    const challenges = (): number => server.recorder.challenges.length;
    await server.subscribe('counted', { url: STRANGER });
    await server.subscribe('counted', { url: STRANGER, arguments: { n: 1 }, ttlMs: 60_000 });
    await server.unsubscribe('counted', { url: STRANGER });
    await server.clock.advance(86_400_000 + 59_999);
    await server.subscribe('counted', { url: STRANGER });
    expect(challenges()).toBe(1);
    await server.unsubscribe('counted', { url: STRANGER });
    await server.clock.advance(86_400_000);
    await server.subscribe('counted', { url: STRANGER });
    expect(challenges()).toBe(2);
    // Renewed for far more than a day, without another challenge.
    for (let hour = 0; hour < 72; hour++) {
      await server.clock.advance(3_599_000);
      await server.subscribe('counted', { url: STRANGER });
    }
    expect(challenges()).toBe(2);
  });

  it('VERIFY-06 a failure is not remembered', async () => {
    const server = verifyingServer();
    challengesAnswered(server, () => 503);
    expect((await server.trySubscribe('counted', { url: STRANGER })).error?.code).toBe(-32027);
    challengesAnswered(server, echo);
    await server.subscribe('counted', { url: STRANGER });
  });

  it('OP-29 one challenge at a time per principal and url; the others wait for it', async () => {
    const server = verifyingServer();
    holdChallenges(server);
    const calls = [1, 2, 3, 4].map((n) => server.trySubscribe('counted', { url: STRANGER, arguments: { n } }));
    const bob = server.trySubscribe('counted', { url: STRANGER, as: 'bob' });
    await until(() => server.recorder.challenges.length === 2);
    await settle(50);
    expect(server.recorder.challenges).toHaveLength(2);
    for (const challenge of server.recorder.challenges) {
      server.recorder.release(echo(challenge), (request) => request === challenge);
    }
    const answers = await Promise.all([...calls, bob]);
    expect(answers.map(({ error }) => error)).toEqual(Array.from({ length: 5 }));
    expect(server.recorder.challenges).toHaveLength(2);
  });

  it('OP-29 an endpoint that refuses one subscription is asked for the next', async () => {
    const server = verifyingServer();
    const key = { namespace: 'mcp-events', principal: 'alice', name: 'counted', url: STRANGER };
    const known = deriveSubscriptionId({ ...key, arguments: { n: 2 } });
    challengesAnswered(server, (request) => (request.headers['x-mcp-subscription-id'] === known ? echo(request) : 401));
    const calls = [1, 2, 3].map((n) => server.trySubscribe('counted', { url: STRANGER, arguments: { n } }));
    const [first, ...others] = await Promise.all(calls);
    expect(first?.error).toMatchObject(failure('challenge_failed'));
    expect(others.map(({ error }) => error)).toEqual([undefined, undefined]);
    expect(server.recorder.challenges).toHaveLength(2);
  });

  it('OP-29 an endpoint that is not there is not waited for once more by each who waits', async () => {
    const server = verifyingServer({ receiverDocuments: false });
    server.recorder.network = 'silent';
    const calls = [1, 2, 3].map((n) => server.trySubscribe('counted', { url: STRANGER, arguments: { n } }));
    await server.clock.advance(5_000);
    for (const { error } of await Promise.all(calls)) expect(error).toMatchObject(failure('timeout'));
    expect(server.recorder.dialled).toHaveLength(1);
  });

  it('VERIFY-01 may be established by the operator, per principal and url', async () => {
    const asked: unknown[] = [];
    const server = verifyingServer({
      confirm: (callback) => {
        asked.push(callback);
        return callback.principal === 'alice';
      },
    });
    await server.subscribe('counted', { url: STRANGER });
    expect(server.recorder.requests).toEqual([]);
    await server.subscribe('counted', { url: STRANGER, as: 'bob' });
    expect(server.recorder.challenges).toHaveLength(1);
    expect(asked).toEqual(['alice', 'bob'].map((principal) => ({ principal, url: STRANGER })));
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no dashboard');
      },
    ],
    ['hangs', () => new Promise(() => {})],
    ['is not sure', () => 'yes'],
  ])('VERIFY-01 where the operator %s, the endpoint is asked', async (_what, confirm) => {
    const server = verifyingServer({ confirm: confirm as () => boolean });
    challengesAnswered(server, () => 403);
    const answer = server.trySubscribe('counted', { url: STRANGER });
    await server.clock.advance(10_000);
    await until(() => server.recorder.challenges.length === 1);
    expect((await answer).error).toMatchObject(failure('challenge_failed'));
  });
});

describe('rate limit', () => {
  it('VERIFY-09 SSRF-08 bounds requests per host and minute, however its name and the URLs are written', async () => {
    const server = verifyingServer({ limits: { challengesPerHostPerMinute: 10 } });
    challengesAnswered(server, () => 403);
    const urls = ['hooks.example', 'HOOKS.example', 'hooks.example.', 'hooks.example:8443'].flatMap((host) =>
      Array.from({ length: 10 }, (_unused, index) => `https://${host}/${index}?x=${index}`),
    );
    const codes: unknown[] = [];
    for (const url of urls) codes.push((await server.trySubscribe('counted', { url })).error?.data.limit);
    expect(server.recorder.requests).toHaveLength(10);
    expect(codes.filter((limit) => limit === 'challengesPerHostPerMinute')).toHaveLength(31);
    // Another host has its own share, and the same one has it again a minute later.
    challengesAnswered(server, echo);
    await server.subscribe('counted', { url: 'https://other.example/a' });
    await server.clock.advance(60_000);
    await server.subscribe('counted', { url: STRANGER });
  });

  it('VERIFY-16 bounds them per address, whatever names lead to it', async () => {
    const server = verifyingServer({ receiverDocuments: false });
    challengesAnswered(server, () => 403);
    const limits: unknown[] = [];
    for (let n = 0; n < 62; n++) {
      const url = `https://a${n}.hooks.example/x`;
      limits.push((await server.trySubscribe('counted', { url })).error?.data.limit);
    }
    expect(server.recorder.challenges).toHaveLength(60);
    expect(limits.slice(59)).toEqual([undefined, ...Array.from({ length: 2 }, () => 'challengesPerAddressPerMinute')]);
  });

  it('VERIFY-16 one principal does not use up what others need, and all of them do not pass twice the bound', async () => {
    const server = verifyingServer({ limits: { challengesPerHostPerMinute: 8, challengesPerAddressPerMinute: 1_000 } });
    challengesAnswered(server, () => 403);
    const ask = async (as: string, n: number): Promise<unknown> =>
      (await server.trySubscribe('counted', { as, url: `${STRANGER}${n}` })).error?.data.reason;
    for (let n = 0; n < 20; n++) await ask('mallory', n);
    // The document was asked for once.
    expect(server.recorder.requests).toHaveLength(8);
    expect(await Promise.all([1, 2, 3].map((n) => ask('alice', n)))).toEqual([
      'challenge_failed',
      'challenge_failed',
      undefined,
    ]);
    for (let n = 0; n < 20; n++) await ask(`friend${n}`, n);
    expect(server.recorder.requests).toHaveLength(16);
  });
});

describe('the well-known document', () => {
  it.each([
    '/hooks/..%2fadmin',
    '/hooks/..%2Fadmin',
    '/hooks/%2e%2e%2fadmin',
    '/hooks/..%5cadmin',
    '/hooks/%2e%2e%5Cadmin',
    '/hooks/..%252fadmin',
    '/hooks/%252e%252e/admin',
    '/hooks/%25252e%25252e/admin',
    '/hooks/..;/admin',
    '/hooks/..%3b/admin',
    '/hooks/a%2fb',
    '/hooks/..%00/admin',
    '/hooks/..%0d%0a/admin',
    '/hooks/..%20/admin',
    '/hooks/%c0%ae%c0%ae/admin',
    '/hooks/..%c0%afadmin',
    '/hooks/%EF%BC%8E%EF%BC%8E/admin',
    '/hooks/..%EF%BC%8Fadmin',
    '/hooks/..%E2%88%95admin',
    '/hooks/..%E2%81%84admin',
    '/hooks/.%E2%80%8B./admin',
    '/hooks/%u002e%u002e/admin',
    '/hooks%2fa',
    '/hooks%2f..%2fadmin',
  ])('VERIFY-17 does not cover a path that a server may read as another one: %s', async (path) => {
    const server = verifyingServer();
    server.recorder.answer = (request) =>
      request.path === DOCUMENT ? receivers('/hooks') : request.body?.type === 'verification' ? 403 : undefined;
    expect((await server.trySubscribe('counted', { url: `https://hooks.example${path}` })).error).toMatchObject(
      failure('challenge_failed'),
    );
  });

  it.each(['/hooks', '/hooks/', '/hooks/a', '/hooks/%C3%A9t%C3%A9', '/hooks/a%20b', '/hooks/a..b', '/hooks/a?x=..%2f'])(
    'VERIFY-11 VERIFY-17 covers one that everybody reads alike: %s',
    async (path) => {
      const server = verifyingServer();
      publish(server, receivers('/hooks'));
      await server.subscribe('counted', { url: `https://hooks.example${path}` });
      expect(server.recorder.challenges).toEqual([]);
    },
  );

  it('VERIFY-11 covers the paths below its prefixes, per principal and url, and nothing else', async () => {
    const server = verifyingServer();
    publish(server, receivers('/hooks', '/exact/path', '/slash/'));
    for (const path of ['/hooks', '/hooks/', '/hooks/a/b?c=/x', '/exact/path', '/slash/a', '/x/../hooks/a']) {
      await server.subscribe('counted', { url: `https://hooks.example${path}` });
    }
    expect(server.recorder.challenges).toEqual([]);
    for (const path of [
      '/',
      '/hook',
      '/hooks-of-others',
      '/Hooks/a',
      '/exact',
      '/slash',
      '/hooks/../a',
      '/hooks/%2e%2e/a',
    ]) {
      const { length } = server.recorder.challenges;
      await server.subscribe('counted', { url: `https://hooks.example${path}` });
      expect(server.recorder.challenges).toHaveLength(length + 1);
    }
  });

  it('VERIFY-11 counts for its own origin only', async () => {
    const server = verifyingServer();
    server.recorder.answer = ({ path, host }) =>
      path === DOCUMENT && host === 'hooks.example' ? receivers('/') : undefined;
    await server.subscribe('counted', { url: STRANGER });
    expect(server.recorder.challenges).toEqual([]);
    await server.subscribe('counted', { url: 'https://sub.hooks.example/a' });
    expect(server.recorder.challenges).toHaveLength(1);
  });

  it.each<[string, Answer]>([
    ['is missing', 404],
    ['is a redirect', { status: 302, headers: { location: 'https://other.example/' }, body: '{"receivers":["/"]}' }],
    ['is an error with a document', { status: 500, body: '{"receivers":["/"]}' }],
    ['is no JSON', { status: 200, body: 'receivers: /' }],
    ['has no list', { status: 200, body: '{"receivers":"/"}' }],
    ['has no prefixes', { status: 200, body: '{"receivers":[]}' }],
    ['has strange prefixes', receivers('', '*', 'a', 'https://hooks.example/', '//hooks.example/', '?', '#')],
    ['is longer than 64 KiB', { status: 200, body: `{"receivers":["/"],"more":"${'x'.repeat(65_536)}"}` }],
    ['breaks off', 'reset'],
  ])('VERIFY-11 OP-25 one that %s is no consent, and the endpoint is asked', async (_what, answer) => {
    const server = verifyingServer();
    publish(server, answer);
    await server.subscribe('counted', { url: STRANGER });
    expect(server.recorder.challenges).toHaveLength(1);
    expect(server.recorder.requests.map(({ host }) => host)).toEqual(['hooks.example', 'hooks.example']);
  });

  it('VERIFY-12 is fetched once for many callbacks, and again when its time is over', async () => {
    const server = verifyingServer();
    let headers = { 'cache-control': 'private, max-age=60' };
    server.recorder.answer = ({ path }) =>
      path === DOCUMENT ? { status: 200, body: '{"receivers":["/"]}', headers } : undefined;
    let count = 0;
    const fetches = async (): Promise<number> => {
      await Promise.all([1, 2, 3].map(() => server.subscribe('counted', { url: `${STRANGER}/${count++}` })));
      return server.recorder.requests.length;
    };
    expect(await fetches()).toBe(1);
    await server.clock.advance(59_999);
    expect(await fetches()).toBe(1);
    await server.clock.advance(1);
    headers = { 'cache-control': 'max-age=999999999' };
    expect(await fetches()).toBe(2);
    await server.clock.advance(3_599_999);
    expect(await fetches()).toBe(2);
    await server.clock.advance(1);
    headers = { 'cache-control': 'no-store' };
    expect(await fetches()).toBe(3);
    expect(await fetches()).toBe(4);
  });

  it('VERIFY-12 OP-25 is not taken for longer where the clock is set back', async () => {
    const server = verifyingServer();
    publish(server, receivers('/'));
    await server.subscribe('counted', { url: STRANGER });
    server.clock.jump(-86_400_000);
    await server.clock.advance(300_000);
    server.recorder.answer = () => 404;
    const { error } = await server.trySubscribe('counted', { url: `${STRANGER}/b` });
    expect(error).toMatchObject(failure('challenge_failed'));
  });

  it('VERIFY-12 a missing one is not asked for again at once', async () => {
    const server = verifyingServer();
    for (const path of ['/1', '/2', '/3']) await server.subscribe('counted', { url: STRANGER + path });
    expect(server.recorder.requests.filter(({ path }) => path === DOCUMENT)).toHaveLength(1);
    await server.clock.advance(300_000);
    await server.subscribe('counted', { url: `${STRANGER}/4` });
    expect(server.recorder.requests.filter(({ path }) => path === DOCUMENT)).toHaveLength(2);
  });

  it('VERIFY-11 is not looked at where the operator does not want it', async () => {
    const server = verifyingServer({ receiverDocuments: false });
    publish(server, receivers('/'));
    await server.subscribe('counted', { url: STRANGER });
    expect(server.recorder.requests.map(({ path }) => path)).toEqual(['/a']);
  });
});

describe('addresses', () => {
  it('VERIFY-08 SSRF-03 the challenge and the document go to addresses that were checked for them', async () => {
    // Public when the URL is looked at, private from then on.
    for (const harmless of [1, 2]) {
      let asked = 0;
      const resolve = (): string[] => [++asked <= harmless ? PUBLIC_ADDRESS : '10.0.0.1'];
      const server = verifyingServer({ egress: { resolve } });
      const { error } = await server.trySubscribe('counted', { url: STRANGER });
      expect(error?.code).toBe(-32602);
      expect(error?.message).not.toContain('10.0.0.1');
      expect(server.recorder.dialled).toEqual(harmless === 1 ? [] : [`${PUBLIC_ADDRESS}:443`]);
      expect(server.recorder.challenges).toEqual([]);
    }
  });

  it('VERIFY-08 SSRF-05 neither follows a redirect', async () => {
    const server = verifyingServer();
    server.recorder.answer = () => ({ status: 307, headers: { location: 'https://other.example/target' } });
    const { error } = await server.trySubscribe('counted', { url: STRANGER });
    expect(error).toMatchObject(failure('challenge_failed'));
    expect(server.recorder.requests.map(({ host, path }) => host + path)).toEqual([
      `hooks.example${DOCUMENT}`,
      'hooks.example/a',
    ]);
  });
});
