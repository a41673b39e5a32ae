import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EXTENSION_ID, Methods, Notifications, SUBSCRIPTION_ID_META_KEY } from '@mcp-events/protocol';
import { Client } from '@modelcontextprotocol/client';
import { afterEach, describe, expect, it } from 'vitest';
import { boundedFetch, EventsClient, eventsClientCapabilities, eventsTransport } from '../src/index.ts';
import { HttpFacts } from '../src/http/httpFacts.ts';
import { headerValue } from '../src/http/mcpName.ts';
import { FakeClock, settle } from './support/fakeClock.ts';
import { until } from './support/httpServer.ts';
import { batch, eventType, occurrence } from './support/rawServer.ts';
import { noJitter, Reader } from './support/world.ts';

type Handle = (request: IncomingMessage, response: ServerResponse, body: string) => unknown;
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

async function serve(handle: Handle): Promise<string> {
  const server: Server = createServer((request, response) => {
    response.on('error', () => {});
    void text(request).then((body) => handle(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

const tooLarge = { code: 'ANSWER_TOO_LARGE' };

describe('what a server may answer', () => {
  for (const [what, text] of [
    ['a JSON answer', { type: 'application/json', of: (length: number) => 'x'.repeat(length) }],
    ['one message of a stream', { type: 'text/event-stream', of: (length: number) => `${'x'.repeat(length - 2)}\n\n` }],
    [
      'many lines of one message',
      { type: 'text/event-stream', of: (length: number) => `${'x\n'.repeat((length - 2) / 2)}\n\n` },
    ],
    [
      'many lines that end in CR LF',
      { type: 'text/event-stream', of: (n: number) => `${'xx\r\n'.repeat((n - 4) / 4)}\r\n\r\n` },
    ],
  ] as [string, { type: string; of: (length: number) => string }][]) {
    it(`CLIENT-16 is bounded: ${what}, at the bound and beyond`, async () => {
      let body = text.of(1_000);
      const url = await serve((_request, response) => response.writeHead(200, { 'content-type': text.type }).end(body));
      const bounded = boundedFetch({ maxMessageBytes: 1_000 });
      expect((await (await bounded(url)).text()).length).toBe(body.length);
      body = text.of(1_020);
      await expect((await bounded(url)).text()).rejects.toMatchObject(tooLarge);
    });
  }

  it('CLIENT-16 is bounded after decompression', async () => {
    const bomb = gzipSync(Buffer.alloc(4 * 1024 * 1024));
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const url = await serve((_request, response) => response.writeHead(200, headers).end(bomb));
    const answer = await boundedFetch({ maxMessageBytes: 1024 * 1024 })(url);
    await expect(answer.json()).rejects.toMatchObject(tooLarge);
  });

  it('CLIENT-16 a stream of small messages has no end to reach', async () => {
    const headers = { 'content-type': 'text/event-stream; charset=utf-8' };
    const url = await serve((_request, response) =>
      response.writeHead(200, headers).end('data: xxxxxxx\n\n'.repeat(500)),
    );
    const answer = await boundedFetch({ maxMessageBytes: 15 })(url);
    expect((await answer.text()).length).toBe(500 * 15);
  });

  it('CLIENT-16 the text of an error is cut', async () => {
    const url = await serve((_request, response) => response.writeHead(502).end('x'.repeat(5_000)));
    const answer = await boundedFetch({ maxErrorBytes: 1_000 })(url);
    expect(answer.status).toBe(502);
    expect((await answer.text()).length).toBe(1_000);
  });

  it('CLIENT-16 refuses bounds that are none', () => {
    for (const value of [0, -1, NaN, Infinity, 1.5, '1']) {
      expect(() => boundedFetch({ maxMessageBytes: value as number })).toThrow(
        /maxMessageBytes must be a whole number/,
      );
      expect(() => boundedFetch({ maxErrorBytes: value as number })).toThrow(/maxErrorBytes must be a whole number/);
    }
  });
});

/** A server behind the transport for Events, and an events client. */
async function connected(answer: Handle) {
  const requests: { method: string; headers: IncomingMessage['headers'] }[] = [];
  const url = await serve((request, response, text) => {
    const body = text === '' ? {} : JSON.parse(text);
    requests.push({ method: body.method ?? request.method, headers: request.headers });
    const ok = (result: object): unknown => {
      response.writeHead(200, { 'content-type': 'application/json' });
      return response.end(
        JSON.stringify({ jsonrpc: '2.0', id: body.id, result: { resultType: 'complete', ...result } }),
      );
    };
    const extensions = { [EXTENSION_ID]: {} };
    if (body.method === 'server/discover') {
      return ok({ supportedVersions: ['2026-07-28'], capabilities: { extensions }, ttlMs: 0, cacheScope: 'private' });
    }
    if (body.method === Methods.list) return ok({ events: [eventType('incident.opened', ['push', 'poll'])] });
    return answer(request, response, text);
  });
  const clock = new FakeClock();
  const client = new Client(
    { name: 'test', version: '1.0.0' },
    { versionNegotiation: { mode: 'auto' }, capabilities: eventsClientCapabilities },
  );
  await client.connect(eventsTransport(url, { clock, maxMessageBytes: 10_000 }));
  const errors: Error[] = [];
  const events = new EventsClient(client, { clock, random: noJitter });
  open.push(
    () => client.close(),
    () => events.close(),
  );
  return { url, requests, clock, events, errors, onError: (error: Error) => void errors.push(error) };
}

function poll(response: ServerResponse, text: string, result: object): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(text).id, result: { resultType: 'complete', ...result } }),
  );
}

describe('the transport for Events', () => {
  it('CLIENT-17 keeps Retry-After: nothing is asked before, by whatever retries', async () => {
    for (const status of [429, 503]) {
      let isLimited = true;
      const w = await connected((_request, response, text) => {
        if (isLimited) response.writeHead(status, { 'retry-after': '30' }).end('slow down');
        else poll(response, text, batch([], 'c0'));
      });
      const polls = (): number => w.requests.filter(({ method }) => method === Methods.poll).length;
      const subscription = await w.events.subscribe('incident.opened', {}, { delivery: 'poll', onError: w.onError });
      expect(polls()).toBe(1);
      expect(w.errors).toMatchObject([{ code: 'SERVER_UNREACHABLE' }]);
      expect(w.errors[0]!.message).toContain(`HTTP ${status}`);
      isLimited = false;
      await w.clock.advance(30_999);
      expect(polls()).toBe(1);
      await w.clock.advance(1);
      await until(() => subscription.status.state === 'active');
      expect(polls()).toBe(2);
    }
  });

  it('CLIENT-18 sends the event type in Mcp-Name, in base64 where a header cannot hold it', async () => {
    const w = await connected((_request, response, text) => poll(response, text, batch([], 'c0')));
    await w.events.subscribe('incident.opened', {}, { delivery: 'poll' });
    expect(w.requests.at(-1)!.headers['mcp-name']).toBe('incident.opened');
    expect(headerValue('störung')).toBe('=?base64?c3TDtnJ1bmc=?=');
    for (const text of ['', ' x', 'a\nb', '=?base64?eA==?=']) expect(headerValue(text)).toMatch(/^=\?base64\?.*\?=$/);
  });

  it('CLIENT-18 asks once without Mcp-Name where that is refused, and leaves it out from then on', async () => {
    const w = await connected((request, response, text) => {
      if (request.headers['mcp-name'] !== undefined) response.writeHead(400).end('unknown header');
      else poll(response, text, batch([], 'c0'));
    });
    await w.events.subscribe('incident.opened', {}, { delivery: 'poll', onError: w.onError });
    await w.events.subscribe('incident.opened', { n: 1 }, { delivery: 'poll', onError: w.onError });
    expect(w.errors).toEqual([]);
    const names = w.requests.filter(({ method }) => method === Methods.poll).map(({ headers }) => headers['mcp-name']);
    expect(names).toEqual(['incident.opened', undefined, undefined]);
  });

  it('CLIENT-17 a clock that is set back does not prolong what Retry-After asked for', () => {
    let [timeOfDayMs, passedMs] = [1_000_000, 0];
    const clock = { now: () => timeOfDayMs, monotonicMs: () => passedMs };
    const facts = new HttpFacts(clock as never);
    facts.read(new Response(null, { status: 503, headers: { 'retry-after': '30' } }));
    timeOfDayMs -= 900_000;
    passedMs += 29_999;
    expect(facts.retryAfterMs).toBe(1);
    passedMs += 1;
    expect(facts.retryAfterMs).toBe(0);
  });

  it.each([
    ['of headers', { error: { code: -32_020, message: 'no' } }, ['incident.opened', null]],
    [
      'of something else, which may have been carried out',
      { error: { code: -32_602, message: 'no' } },
      ['incident.opened'],
    ],
    ['that is none of the protocol', { message: 'no' }, ['incident.opened', null]],
  ])('CLIENT-18 after a 400 with an error %s asks again or not', async (_what, answer, names) => {
    const asked: (string | null)[] = [];
    const fetch = boundedFetch({
      fetch: async (_url, init) => {
        asked.push(new Headers(init?.headers).get('mcp-name'));
        return Response.json(answer, { status: 400 });
      },
    });
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: Methods.poll, params: { name: 'incident.opened' } });
    const response = await fetch('http://localhost/mcp', {
      method: 'POST',
      headers: { 'mcp-method': Methods.poll },
      body,
    });
    expect([response.status, await response.json(), asked]).toEqual([400, answer, names]);
  });

  it('PUSH-19 never asks with Last-Event-ID, whatever ids and waits the server numbers its frames with', async () => {
    const streams: ServerResponse[] = [];
    const w = await connected((_request, response, text) => {
      const { id } = JSON.parse(text);
      streams.push(response);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const params = {
        ...occurrence(`e${streams.length}`),
        cursor: `c${streams.length}`,
        _meta: { [SUBSCRIPTION_ID_META_KEY]: id },
      };
      const frame = JSON.stringify({ jsonrpc: '2.0', method: Notifications.event, params });
      response.write(`id: 1\nretry: 0\ndata: ${frame}\n\n`);
    });
    const subscription = await w.events.subscribe('incident.opened', {}, { onError: w.onError });
    const reader = new Reader(subscription);
    await until(() => reader.ids.length === 1);
    streams[0]!.destroy();
    await until(() => subscription.status.state === 'waiting');
    await w.clock.advance(1_000);
    await until(() => reader.ids.length === 2);
    expect(w.requests.filter(({ method, headers }) => method === 'GET' || 'last-event-id' in headers)).toEqual([]);
    expect((await boundedFetch()(w.url, { headers: { 'last-event-id': '1' } })).status).toBe(405);
  });

  it('CLIENT-16 says why a stream was given up, and goes on from its cursor', async () => {
    let streams = 0;
    const w = await connected((_request, response) => {
      streams += 1;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('x'.repeat(10_001));
    });
    await w.events.subscribe('incident.opened', {}, { from: 'c0', delivery: 'push', onError: w.onError });
    await until(() => w.errors.length === 1);
    expect(w.errors).toMatchObject([{ code: 'STREAM_DROPPED', cause: tooLarge }]);
    await w.clock.advance(1_000);
    await until(() => streams === 2);
    await settle();
  });

  it('CLIENT-19 tells what is wrong with an answer in words, and cuts what the server says', async () => {
    for (const [answer, expected] of [
      [[401, 'text/plain', ''], { code: 'REQUEST_REFUSED', message: /HTTP 401.*credentials/ }],
      [[404, 'text/html', '<html>'], { code: 'REQUEST_REFUSED', message: /HTTP 404[^<]*$/ }],
      [
        [502, 'text/html', '<html><body>Bad gateway</body></html>'],
        { code: 'SERVER_UNREACHABLE', message: /HTTP 502[^<]*$/ },
      ],
      [[200, 'application/json', '{"hello":"world"}'], { code: 'MALFORMED_ANSWER', message: /no JSON-RPC message/ }],
      [[200, 'application/json', '{'], { code: 'MALFORMED_ANSWER', message: /no JSON-RPC message/ }],
      [[200, 'text/html', '<html>'], { code: 'MALFORMED_ANSWER', message: /no JSON-RPC message/ }],
      [
        [409, 'text/plain', 'x'.repeat(9_000)],
        { code: 'REQUEST_REFUSED', message: /x{500}\.\.\. \(9000 characters\)/ },
      ],
    ] as [[number, string, string], { code: string; message: RegExp }][]) {
      const [status, type, body] = answer;
      const w = await connected((_request, response) => response.writeHead(status, { 'content-type': type }).end(body));
      await w.events.subscribe('incident.opened', {}, { delivery: 'poll', onError: w.onError });
      expect(w.errors[0]).toMatchObject({ code: expected.code });
      expect(w.errors[0]!.message).toMatch(expected.message);
      expect(w.errors[0]!.message.length).toBeLessThan(800);
    }
  });
});
