import { describe, expect, it } from 'vitest';
import type * as z from 'zod';
import {
  callbackUrlSchema,
  describeIssues,
  listParamsSchema,
  MAX_CALLBACK_URL_LENGTH,
  pollParamsSchema,
  streamParamsSchema,
  subscribeParamsSchema,
  unsubscribeParamsSchema,
} from '../src/index.ts';

const url = 'https://hooks.example.net/mcp';
const secretOf = (bytes: number): string => `whsec_${Buffer.alloc(bytes, 0xfb).toString('base64')}`;
const subscribe = { name: 'incident.created', delivery: { url, secret: secretOf(32) } };

/** What is said about wrong params; empty if they are right. */
function complaint(schema: z.ZodType, params: unknown): string {
  const parsed = schema.safeParse(params);
  return parsed.success ? '' : describeIssues(parsed.error);
}

describe('params', () => {
  it('CUR-03 SUB-04 read a missing cursor as null and missing arguments as {}', () => {
    const expected = { name: 'incident.created', arguments: {}, cursor: null };
    expect(pollParamsSchema.parse({ name: 'incident.created' })).toEqual(expected);
    expect(streamParamsSchema.parse({ name: 'incident.created' })).toEqual(expected);
    expect(subscribeParamsSchema.parse(subscribe)).toEqual({ ...subscribe, ...expected });
    expect(subscribeParamsSchema.parse({ ...subscribe, cursor: null })).toEqual({ ...subscribe, ...expected });
  });

  it('do not share the default arguments between requests', () => {
    const first = pollParamsSchema.parse({ name: 'a' });
    first.arguments['changed'] = true;
    expect(pollParamsSchema.parse({ name: 'a' }).arguments).toEqual({});
  });

  it('keep unknown members and _meta', () => {
    const params = { name: 'a', arguments: { b: 1 }, cursor: 'c', later: [1], _meta: { 'com.example/trace': 't' } };
    for (const schema of [pollParamsSchema, streamParamsSchema]) expect(schema.parse(params)).toEqual(params);
    expect(listParamsSchema.parse({ cursor: '', later: 1 })).toEqual({ cursor: '', later: 1 });
  });

  it('keep an argument named __proto__, as two different arguments are two subscriptions', () => {
    const { arguments: args } = pollParamsSchema.parse(JSON.parse('{"name":"a","arguments":{"__proto__":1}}'));
    expect(JSON.stringify(args)).toBe('{"__proto__":1}');
  });

  it('of events/list may be left out altogether', () => {
    expect(listParamsSchema.parse(undefined)).toEqual({});
  });

  it.each([
    [{}, 'name: expected string'],
    [{ name: 7 }, 'name: expected string'],
    [{ name: 'a', arguments: null }, 'arguments: expected object'],
    [{ name: 'a', arguments: ['P1'] }, 'arguments: expected object'],
    [{ name: 'a', cursor: 5 }, 'cursor: expected string'],
    [{ name: 'a', maxAgeMs: -1 }, 'maxAgeMs: expected number of at least 0'],
    [{ name: 'a', maxAgeMs: '60000' }, 'maxAgeMs: expected number'],
    [{ name: 'a', maxAgeMs: 1.5 }, 'maxAgeMs: expected integer'],
    [{ name: 'a', maxAgeMs: null }, 'maxAgeMs: expected number'],
    [{ name: 'a', _meta: 'm' }, '_meta: expected object'],
  ])('of poll, stream and subscribe refuse %j', (params, words) => {
    expect(complaint(pollParamsSchema, params)).toBe(words);
    expect(complaint(streamParamsSchema, params)).toBe(words);
    expect(complaint(subscribeParamsSchema, { delivery: subscribe.delivery, ...params })).toBe(words);
  });

  it.each([undefined, null, 'a', []])('are no %j', (params) => {
    for (const schema of [pollParamsSchema, streamParamsSchema, subscribeParamsSchema, unsubscribeParamsSchema]) {
      expect(complaint(schema, params)).toBe('expected object');
    }
  });

  it.each([
    [{ maxEvents: 0 }, 'maxEvents: expected number of at least 1'],
    [{ maxEvents: 2.5 }, 'maxEvents: expected integer'],
    [{ maxEvents: 1e300 }, 'maxEvents: expected integer of at most 9007199254740991'],
    [{ timeoutMs: -1 }, 'timeoutMs: expected number of at least 0'],
    [{ maxEvents: 'all', timeoutMs: true }, 'maxEvents: expected number; timeoutMs: expected number'],
  ])('of events/poll refuse %j', (members, words) => {
    expect(complaint(pollParamsSchema, { name: 'a', ...members })).toBe(words);
  });

  it('of events/poll accept the smallest numbers', () => {
    expect(complaint(pollParamsSchema, { name: 'a', maxEvents: 1, maxAgeMs: 0, timeoutMs: 0 })).toBe('');
  });

  it('of events/list refuse a cursor that is no string', () => {
    expect(complaint(listParamsSchema, { cursor: 3 })).toBe('cursor: expected string');
  });
});

describe('subscribe params', () => {
  it.each([null, 0, -5, 0.5, 1, 1e15, 1e300, Number.POSITIVE_INFINITY])(
    'accept %s as ttlMs, to be clamped',
    (ttlMs) => {
      expect(subscribeParamsSchema.parse({ ...subscribe, ttlMs }).ttlMs).toBe(ttlMs);
    },
  );

  it('tell an absent ttlMs from null', () => {
    expect(subscribeParamsSchema.parse(subscribe).ttlMs).toBeUndefined();
  });

  it.each(['60000', true, {}, Number.NaN])('refuse %j as ttlMs', (ttlMs) => {
    expect(complaint(subscribeParamsSchema, { ...subscribe, ttlMs })).toBe('ttlMs: expected number or null');
  });

  it('accept any word as mode, as an unsupported one has an error of its own', () => {
    for (const mode of ['webhook', 'push', 'carrier-pigeon']) {
      expect(
        subscribeParamsSchema.parse({ ...subscribe, delivery: { ...subscribe.delivery, mode } }).delivery.mode,
      ).toBe(mode);
    }
  });

  it.each([24, 25, 26, 32, 63, 64])('SIG-01 accept a secret of %i bytes', (bytes) => {
    const secret = secretOf(bytes);
    expect(subscribeParamsSchema.parse({ ...subscribe, delivery: { url, secret } }).delivery.secret).toBe(secret);
  });

  it.each([
    ['none', undefined],
    ['null', null],
    ['an empty one', ''],
    ['the prefix alone', 'whsec_'],
    ['23 bytes', secretOf(23)],
    ['65 bytes', secretOf(65)],
    ['66 bytes', secretOf(66)],
    ['no prefix', secretOf(32).slice('whsec_'.length)],
    ['another prefix', secretOf(32).replace('whsec_', 'whpk_')],
    ['the alphabet of base64url', secretOf(33).replaceAll('+', '-').replaceAll('/', '_')],
    ['missing padding', secretOf(32).replaceAll('=', '')],
    ['padding in the middle', `whsec_${'AAA='.repeat(10)}`],
    ['white space', `${secretOf(32)}\n`],
    ['hexadecimal', `whsec_${'z'.repeat(31)}`],
  ])('SIG-01 refuse %s as secret, without repeating it', (_, secret) => {
    const words = complaint(subscribeParamsSchema, { ...subscribe, delivery: { url, secret } });
    expect(words).toMatch(/^delivery\.secret: expected (string|"whsec_" followed by base64 of 24 to 64 bytes)$/);
  });

  it.each([
    'https://hooks.example.net',
    'HTTPS://hooks.example.net:8443/a/b?c=d%20e&f=@',
    'https://[2001:db8::1]/x',
    'https://xn--bcher-kva.example/',
    'https://bücher.example/ü',
  ])('accept %s and leave it as it is', (callback) => {
    expect(callbackUrlSchema.parse(callback)).toBe(callback);
  });

  // The parser of Node.js 20 has a faster path for what is asked often, which knows fewer letters.
  it('accept letters beyond ASCII however often they are asked', () => {
    for (let time = 0; time < 20_000; time++) {
      if (!callbackUrlSchema.safeParse('https://bücher.example/ü').success) expect.fail(`refused time ${time}`);
    }
  });

  it.each([
    ['another scheme', 'http://hooks.example.net/mcp'],
    ['another scheme', 'ftp://hooks.example.net/mcp'],
    ['text', 'not a url'],
    ['nothing', ''],
    ['a relative URL', '//hooks.example.net/mcp'],
    ['no host', 'https:///mcp'],
    ['missing slashes', 'https:hooks.example.net'],
    ['backslashes', 'https:\\\\hooks.example.net\\mcp'],
    ['a backslash before the real host', 'https://good.example\\@evil.example/'],
    ['white space around it', ' https://hooks.example.net/ '],
    ['a line break in it', 'https://hooks.exa\nmple.net/'],
    ['a tab in it', 'https://hooks.example.net/\t'],
    ['a port out of range', 'https://hooks.example.net:99999/'],
    ['port 0', 'https://hooks.example.net:0/mcp'],
    ['a broken host', 'https://exa mple/'],
    ['too many characters', `${url}/${'x'.repeat(MAX_CALLBACK_URL_LENGTH)}`],
  ])('SSRF-01 refuse a callback with %s: %j', (_, callback) => {
    const words = complaint(callbackUrlSchema, callback);
    expect(words).toMatch(/expected an absolute https URL/);
  });

  it.each([
    'https://user:password@hooks.example.net/',
    'https://user@hooks.example.net/',
    'https://@hooks.example.net/',
    'https://hooks.example.net/#part',
    'https://hooks.example.net/#',
  ])('refuse the user info or fragment of %s, without repeating it', (callback) => {
    const words = complaint(callbackUrlSchema, callback);
    expect(words).toMatch(/expected .* without user info and fragment$/);
    expect(words).not.toContain('hooks.example.net');
  });
});

describe('unsubscribe params', () => {
  it('SUB-06 do not take an id for the parts of the key', () => {
    expect(complaint(unsubscribeParamsSchema, { id: 'sub_a' })).toBe(
      'name: expected string; delivery: expected object',
    );
    expect(complaint(subscribeParamsSchema, { id: 'sub_a' })).toBe('name: expected string; delivery: expected object');
  });

  it('take any url and an extra mode, as both are only looked up', () => {
    const params = { name: 'a', arguments: { b: 1 }, delivery: { url: 'http://old.example', mode: 'webhook' } };
    expect(unsubscribeParamsSchema.parse(params)).toEqual(params);
    expect(unsubscribeParamsSchema.parse({ name: 'a', delivery: { url } }).arguments).toEqual({});
  });
});
