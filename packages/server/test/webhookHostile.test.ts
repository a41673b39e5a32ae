import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { FakeClock, settle, until } from './kit/fakeClock.ts';
import type { Answer, RecordedRequest } from './kit/recorder.ts';
import { holdChallenges, secureServer, STRANGER } from './kit/secureServer.ts';
import { counted } from './kit/servers.ts';
import { secretOf, TRUSTED, webhookServer } from './kit/webhookServer.ts';

const MARKER = 'MARKER-5b1f';

describe('floods', () => {
  it('ERR-04 HOOK-08 40 subscribes at once never pass a limit of 10, at any moment', async () => {
    const server = secureServer({}, { limits: { subscriptionsPerPrincipal: 10 } });
    let begun = 0;
    let most = 0;
    server.events.define('counted', {
      ...counted,
      authorize: async () => {
        await settle(1);
        return true;
      },
      onSubscribe: () => {
        begun++;
        most = Math.max(most, server.events.subscriptions().length);
      },
    });
    const calls = Array.from({ length: 40 }, (_, n) =>
      server.trySubscribe('counted', { url: n % 2 === 0 ? STRANGER : undefined, arguments: { n } }),
    );
    const answers = await Promise.all(calls);
    expect(answers.filter(({ error }) => error?.code === -32025)).toHaveLength(30);
    expect(answers.filter(({ result }) => result !== undefined)).toHaveLength(10);
    expect([begun, most, server.events.subscriptions().length]).toEqual([10, 10, 10]);
  });

  it('ERR-04 subscriptions whose endpoint is still asked count, and make room when they fail', async () => {
    const server = secureServer({}, { limits: { subscriptionsPerPrincipal: 3, subscriptions: 4 } });
    server.events.define('counted', counted);
    holdChallenges(server);
    const pending = [1, 2, 3].map((n) => server.trySubscribe('counted', { url: `${STRANGER}/${n}` }));
    await until(() => server.recorder.challenges.length === 3);
    expect((await server.trySubscribe('counted')).error?.data.limit).toBe('subscriptionsPerPrincipal');
    await server.subscribe('counted', { as: 'bob' });
    expect((await server.trySubscribe('counted', { as: 'carol' })).error?.data.limit).toBe('subscriptions');
    server.recorder.release(403);
    for (const { error } of await Promise.all(pending)) expect(error?.code).toBe(-32027);
    await server.subscribe('counted', { as: 'carol' });
  });

  it('VERIFY-09 SSRF-08 any number of URLs of one host, at once, cost it a bounded number of requests', async () => {
    const server = secureServer({}, { limits: { subscriptionsPerPrincipal: 5_000 } });
    server.events.define('counted', counted);
    server.recorder.answer = () => 403;
    // A limit that were kept for each name of the host, or each principal, would let most of them through.
    const calls = Array.from({ length: 200 }, (_, n) => {
      const host = ['hooks.example', 'HOOKS.example', 'hooks.example.'][n % 3];
      const as = ['alice', 'bob'][n % 2];
      return server.trySubscribe('counted', { url: `https://${host}/${n}?x=${n}`, as });
    });
    const answers = await Promise.all(calls);
    expect(server.recorder.requests.length).toBeLessThanOrEqual(60);
    expect(answers.filter(({ error }) => error?.data.limit === 'challengesPerHostPerMinute').length).toBeGreaterThan(
      100,
    );
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('OP-29 VERIFY-09 hundreds of subscribes of one key are one challenge and one subscription', async () => {
    const server = secureServer({ receiverDocuments: false });
    server.events.define('counted', counted);
    const calls = Array.from({ length: 300 }, () => server.trySubscribe('counted', { url: STRANGER }));
    const ids = new Set((await Promise.all(calls)).map(({ result }) => result.id));
    expect(ids.size).toBe(1);
    expect(server.recorder.requests).toHaveLength(1);
  });

  it('OP-29 VERIFY-09 and where the endpoint refuses, as many challenges as its host may get', async () => {
    const server = secureServer({ receiverDocuments: false, limits: { challengesPerHostPerMinute: 5 } });
    server.events.define('counted', counted);
    server.recorder.answer = () => 403;
    const calls = Array.from({ length: 100 }, (_, n) =>
      server.trySubscribe('counted', { url: STRANGER, arguments: { n: n % 10 } }),
    );
    const codes = (await Promise.all(calls)).map(({ error }) => error?.code);
    expect(codes.filter((code) => code === -32027)).toHaveLength(5);
    expect(codes.filter((code) => code === -32025)).toHaveLength(95);
    expect(server.recorder.requests).toHaveLength(5);
  });
});

describe('what endpoints answer', () => {
  const answers: [string, Answer][] = [
    ['a challenge', { status: 200, headers: { 'x-marker': MARKER }, body: `{"challenge":"${MARKER}"}` }],
    ['an error', { status: 500, headers: { location: `https://${MARKER}.example` }, body: MARKER }],
    ['a redirect', { status: 302, headers: { location: `https://${MARKER}.example` }, body: MARKER }],
    ['no JSON', { status: 200, headers: { 'content-type': MARKER }, body: `{"challenge": ${MARKER}` }],
  ];

  it.each(answers)('VERIFY-10 STATUS-03 is told nobody, whatever it is: %s', async (_what, answer) => {
    const server = secureServer();
    const handle = server.events.define('counted', counted);
    const seen: unknown[] = [];
    server.recorder.answer = () => answer;
    seen.push(await server.trySubscribe('counted', { url: STRANGER }));
    await server.clock.advance(300_000);
    server.recorder.answer = ({ method }: RecordedRequest) => (method === 'GET' ? answer : undefined);
    await server.subscribe('counted', { url: STRANGER });
    server.recorder.answer = () => answer;
    await handle.emit({ n: 1 });
    await server.clock.advance(3_000_000);
    seen.push(await server.trySubscribe('counted', { url: STRANGER }), await server.events.deadLetters());
    handle.remove();
    await server.clock.advance(1_000);
    seen.push(server.events, server.errors, server.warnings, server.events.subscriptions());
    expect(inspect(seen, { depth: 20 })).not.toContain(MARKER);
    expect(JSON.stringify(seen)).not.toContain(MARKER);
  });
});

describe('strange parameters', () => {
  it.each([
    ['name', { name: '\u0000' }],
    ['prototype', { arguments: JSON.parse('{"__proto__":{"polluted":1}}') as object }],
    ['deep', { arguments: JSON.parse(`{"a":${'['.repeat(1_000)}${']'.repeat(1_000)}}`) as object }],
    ['long', { arguments: { text: 'x'.repeat(1_000_000) } }],
    ['surrogate', { arguments: { text: '\ud800' } }],
    ['surrogate in the url', { url: `${TRUSTED}/\ud800` }],
    ['huge number', { arguments: { n: 1e308 * 10 } }],
    ['long cursor', { cursor: 'x'.repeat(100_000) }],
  ])('ERR-01 are answered: %s', async (_what, { name = 'counted', ...options }: any) => {
    const server = webhookServer();
    server.events.define('counted', counted);
    const { error } = await server.trySubscribe(name, options);
    expect([undefined, -32602, -32023]).toContain(error?.code);
    expect(error?.message.length ?? 0).toBeLessThan(1_000);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect(server.errors).toEqual([]);
  });

  it('SUB-02 arguments named like members of every object are arguments', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    const ids = new Set<string>();
    for (const text of ['{}', '{"__proto__":1}', '{"constructor":1}', '{"toString":1}', '{"__proto__":{}}']) {
      ids.add((await server.subscribe('counted', { arguments: JSON.parse(text) as Record<string, unknown> })).id);
    }
    expect(ids.size).toBe(5);
  });

  it('SUB-07 principals that look alike when they are joined are different', async () => {
    const server = secureServer();
    server.events.define('counted', counted);
    for (const as of ['a', 'a"', 'a","', '["a"', 'A', 'a ']) await server.subscribe('counted', { url: STRANGER, as });
    expect(server.events.subscriptions()).toHaveLength(6);
    expect(server.recorder.challenges).toHaveLength(6);
  });
});

describe('many refreshes', () => {
  it('SUB-05 SIG-05 leave nothing behind but the newest state', async () => {
    const server = webhookServer({}, { clock: new FakeClock() });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    const timers = server.clock.pendingTimers;
    for (let round = 0; round < 200; round++) {
      await server.trySubscribe('counted', { secret: secretOf(round), ttlMs: 60_000 + round });
    }
    expect(server.events.subscriptions()).toHaveLength(1);
    expect(server.clock.pendingTimers).toBe(timers);
    await handle.emit({ n: 1 });
    await settle();
    expect(server.recorder.requests).toHaveLength(1);
    await server.clock.advance(60_199);
    expect(server.events.subscriptions()).toEqual([]);
  });
});
