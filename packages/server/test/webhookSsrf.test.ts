import { Events } from '@mcp-events/server';
import type { WebhookOptions } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { parseCallbackTarget } from '../src/delivery/webhook/egress/callbackTarget.ts';
import { PUBLIC_ADDRESS, secureServer, STRANGER } from './kit/secureServer.ts';
import { counted } from './kit/servers.ts';
import { TRUSTED, webhookServer } from './kit/webhookServer.ts';
import { until } from './kit/fakeClock.ts';

/** What subscribing to this URL is answered, and whether anything was connected to. */
async function subscribing(
  url: string,
  webhooks: WebhookOptions = {},
): Promise<{ code?: number; message: string; dialled: readonly string[] }> {
  const server = secureServer(webhooks);
  server.events.define('counted', counted);
  const { error } = await server.trySubscribe('counted', { url });
  expect(server.events.subscriptions()).toHaveLength(error === undefined ? 1 : 0);
  expect(server.errors).toEqual([]);
  return { code: error?.code, message: error?.message ?? '', dialled: server.recorder.dialled };
}

describe('the text of a callback URL', () => {
  it.each([
    ...[
      '',
      'not a url',
      '/a',
      '//hooks.example/a',
      'hooks.example/a',
      'https://',
      'https:///',
      'https:hooks.example/a',
    ],
    ...['http://hooks.example/a', 'ftp://hooks.example/a', 'file:///etc/passwd', 'javascript:alert(1)', 'data:,x'],
    ...[
      'https://hooks.example:99999/',
      'https://hooks.example:http/',
      'https://[::1',
      'https://a b/',
      'https:\\\\hooks.example\\a',
    ],
    ...[
      ' https://hooks.example/a',
      'https://hooks.example/a\n',
      'https://hooks.example/\ta',
      'https://hooks\n.example/a',
    ],
    `https://hooks.example/${'a'.repeat(8_000)}`,
  ])('SSRF-01 ERR-01 is refused: %j', async (url) => {
    expect(await subscribing(url)).toMatchObject({ code: -32602, dialled: [] });
  });

  it.each([
    'https://u:p@hooks.example/',
    'https://u@hooks.example/',
    'https://@hooks.example/',
    'https://hooks.example/#x',
    'https://hooks.example/a?b#',
  ])('SSRF-08 is refused with user info or fragment: %j', async (url) => {
    expect(await subscribing(url)).toMatchObject({ code: -32602, dialled: [] });
  });

  it.each(['https://hooks.example:0/', 'https://hooks.example:00/a', 'https://20.30.40.50:0', `${TRUSTED}:0/a`])(
    'SSRF-11 is refused with port 0, also at an allowed origin: %j',
    async (url) => {
      expect(await subscribing(url, { allowedOrigins: () => true })).toMatchObject({ code: -32602, dialled: [] });
      expect(parseCallbackTarget(url)).toBe(undefined);
    },
  );

  it.each([
    'http://u:p@hooks.test/',
    'http://@hooks.test/',
    'http://hooks.test/#x',
    'http:hooks.test/',
    'http:/hooks.test/',
    'http:\\\\hooks.test/',
    `${TRUSTED}/ a`,
    `${TRUSTED}/${'a'.repeat(8_000)}`,
    'blob:http://hooks.test/a',
    'ftp://hooks.test/',
  ])('SSRF-01 SSRF-08 is refused at an allowed origin, too: %j', async (url) => {
    const server = webhookServer();
    server.events.define('counted', counted);
    expect((await server.trySubscribe('counted', { url })).error?.code).toBe(-32602);
  });

  it.each([`${TRUSTED}/@me?x=@`, `${TRUSTED}?a=1`, 'HTTP://HOOKS.TEST/a', `${TRUSTED}:80/a`, `${TRUSTED}/ä`])(
    'SSRF-01 is accepted at an allowed origin: %j',
    async (url) => {
      const server = webhookServer();
      server.events.define('counted', counted);
      await server.subscribe('counted', { url });
      expect(server.events.subscriptions()[0]?.url).toBe(url);
    },
  );
});

describe('addresses', () => {
  const special = [
    ...[
      '127.0.0.1',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '0.0.0.0',
    ],
    ...['192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1', '255.255.255.255'],
    ...[
      '::1',
      '::',
      'fc00::1',
      'fd12::1',
      'fe80::1',
      'ff02::1',
      '2001:db8::1',
      '::ffff:10.0.0.1',
      '64:ff9b::a00:1',
      '2002:a00:1::',
    ],
  ];

  it.each(special)('SSRF-02 SSRF-07 one that a name leads to is refused without being named: %s', async (address) => {
    for (const addresses of [[address], [PUBLIC_ADDRESS, address]]) {
      const answer = await subscribing(STRANGER, { egress: { resolve: () => addresses } });
      expect(answer).toMatchObject({ code: -32602, dialled: [] });
      expect(answer.message).not.toContain(address);
    }
  });

  it.each([
    ...special.map((address) => (address.includes(':') ? `[${address}]` : address)),
    ...[
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '127.1',
      '127.0.0.1.',
      '１２７.0.0.1',
      'localhost',
      'printer',
      'db.internal',
    ],
  ])('SSRF-02 one that stands in the URL is refused in any notation: %s', async (host) => {
    expect(await subscribing(`https://${host}/a`)).toMatchObject({ code: -32602, dialled: [] });
  });

  it('SSRF-02 SSRF-07 the guard comes before the word of a dashboard and of a document', async () => {
    const answer = await subscribing(STRANGER, { confirm: () => true, egress: { resolve: () => ['10.0.0.1'] } });
    expect(answer).toMatchObject({ code: -32602, dialled: [] });
  });

  it('SSRF-02 an allowed origin may be anywhere', async () => {
    const server = secureServer({ allowedOrigins: ['https://127.0.0.1', 'http://hooks.test'] });
    server.events.define('counted', counted);
    await server.subscribe('counted', { url: 'https://127.0.0.1/a' });
    await server.subscribe('counted');
    expect(server.recorder.dialled).toEqual([]);
  });

  it('SSRF-03 SSRF-04 deliveries of a consenting endpoint are checked again, each time', async () => {
    let addresses = [PUBLIC_ADDRESS];
    const server = secureServer({ egress: { resolve: () => addresses } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { url: STRANGER });
    const before = server.recorder.dialled.length;
    addresses = ['169.254.169.254'];
    await handle.emit({ n: 1 });
    await server.clock.advance(0);
    expect(server.recorder.dialled).toHaveLength(before);
    const { deliveryStatus } = await server.subscribe('counted', { url: STRANGER });
    expect(deliveryStatus.lastError).toBe('connection_refused');
    addresses = ['20.30.40.51'];
    await server.clock.advance(10_000);
    await until(() => server.recorder.events.length === 1);
    expect(server.recorder.dialled.at(-1)).toBe('20.30.40.51:443');
  });
});

describe('rules of the operator', () => {
  it('SSRF-06 limit callbacks, and are not asked about allowed origins', async () => {
    const asked: string[] = [];
    const server = secureServer({
      allowUrl: (url) => {
        asked.push(url.href);
        return url.pathname.startsWith('/hooks/');
      },
    });
    server.events.define('counted', counted);
    await server.subscribe('counted', { url: 'https://hooks.example/hooks/a' });
    const { error } = await server.trySubscribe('counted', { url: 'https://hooks.example/other/../a' });
    expect(error?.code).toBe(-32602);
    await server.subscribe('counted', { url: `${TRUSTED}/a` });
    expect(asked).toEqual(['https://hooks.example/hooks/a', 'https://hooks.example/a']);
  });

  it.each<[string, (url: URL) => unknown]>([
    ['a promise', async () => true],
    ['what an expression found', (url) => /hooks/.exec(url.href)],
    ['nothing', () => undefined],
    ['null', () => null],
  ])('SSRF-06 anything but true is a no: %s', async (_what, allowUrl) => {
    const answer = await subscribing(STRANGER, { allowUrl: allowUrl as (url: URL) => boolean });
    expect(answer).toMatchObject({ code: -32602, dialled: [] });
  });

  it('SSRF-06 one that throws refuses, and its error stays inside', async () => {
    const server = secureServer({
      allowUrl: () => {
        throw new Error('password=hunter2');
      },
    });
    server.events.define('counted', counted);
    const answer = await server.trySubscribe('counted', { url: STRANGER });
    expect(answer.error?.code).toBe(-32603);
    expect(JSON.stringify(answer)).not.toContain('hunter2');
    expect(server.errors).toHaveLength(1);
  });

  it.each(['hooks.test', '*', 'https://*', 'https://hooks.test/path', 'https://u@hooks.test', 'ftp://hooks.test', ''])(
    'SSRF-06 an allowed origin must be one: %j',
    (origin) => {
      expect(() => new Events({ webhooks: { allowedOrigins: [origin] } })).toThrow(TypeError);
    },
  );

  it('SSRF-02 VERIFY-01 an origin that is not allowed any more is asked for its consent with the next subscribe', async () => {
    let allowed = true;
    const server = secureServer({ allowedOrigins: () => allowed, egress: { resolve: () => ['10.0.0.1'] } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { url: STRANGER });
    await server.subscribe('counted', { url: STRANGER });
    allowed = false;
    expect((await server.trySubscribe('counted', { url: STRANGER })).error?.code).toBe(-32602);
    await handle.emit({ n: 1 });
    await server.clock.advance(60_000);
    expect(server.events.subscriptions()).toEqual([]);
    expect(server.recorder.dialled).toEqual([]);
  });
});

describe('answers', () => {
  it('SSRF-08 of a challenge are read to a limit, however long they go on', async () => {
    const server = secureServer({ receiverDocuments: false });
    server.events.define('counted', counted);
    server.recorder.answer = () => ({ status: 200, body: 'x'.repeat(4 * 1024 * 1024) });
    const { error } = await server.trySubscribe('counted', { url: STRANGER });
    expect(error).toMatchObject({ code: -32027, data: { reason: 'challenge_failed' } });
  });
});
