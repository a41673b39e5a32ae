import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { JwksDocument } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { challenge, occurrence, type PostOptions, ReceiverWorld, secretA } from './receiverWorld.ts';

interface SigningKey {
  privateKey: KeyObject;
  document: JwksDocument;
}

function signingKey(kid: string): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' }) as { x: string };
  return { privateKey, document: { keys: [{ kty: 'OKP', crv: 'Ed25519', kid, x }] } };
}

const trusted = signingKey('k1');
const foreign = signingKey('k1');

/** Adds `v1a` signatures beside `v1`. */
function alsoSigned(world: ReceiverWorld, keys: readonly SigningKey[], options: PostOptions = {}): PostOptions {
  const request = world.request(options);
  const { id = 'msg_event_1', body = occurrence() } = options;
  const signed = `${id}.${request.headers.get('webhook-timestamp')}.${JSON.stringify(body)}`;
  const entries = keys.map(({ privateKey }) => `v1a,${sign(null, Buffer.from(signed), privateKey).toString('base64')}`);
  const signatures = [...entries, request.headers.get('webhook-signature')].join(' ');
  return { ...options, headers: { 'webhook-signature': signatures, ...options.headers } };
}

function enforcing(signingKeys: () => JwksDocument | Promise<JwksDocument>): ReceiverWorld {
  const world = new ReceiverWorld();
  world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept, signingKeys });
  return world;
}

describe('public-key signatures', () => {
  it('SIG-13 are ignored where they are not enforced, whoever made them', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    expect(await world.post(alsoSigned(world, [foreign]))).toBe(204);
  });

  it('SIG-13 are required beside v1 where they are enforced', async () => {
    const world = enforcing(() => trusted.document);
    expect(await world.post()).toBe(401);
    expect(await world.post(alsoSigned(world, [foreign]))).toBe(401);
    expect(await world.post({ headers: { 'webhook-signature': 'v1a,AAAA v1a,?' } })).toBe(401);
    const only = alsoSigned(world, [trusted]);
    const withoutHmac = only.headers!['webhook-signature']!.split(' ')[0]!;
    expect(await world.post({ headers: { 'webhook-signature': withoutHmac } })).toBe(401);
    expect(world.received).toEqual([]);
    expect(await world.post(alsoSigned(world, [foreign, trusted]))).toBe(204);
    expect(world.eventIds).toEqual(['e1']);
  });

  it('SIG-13 of an unknown key fail until the trusted origin lists it', async () => {
    const documents = [{ keys: [] }, foreign.document, { keys: [...foreign.document.keys, ...trusted.document.keys] }];
    const world = enforcing(() => Promise.resolve(documents.shift()!));
    const statuses: number[] = [];
    for (let round = 0; round < 3; round += 1) statuses.push(await world.post(alsoSigned(world, [trusted])));
    expect(statuses).toEqual([401, 401, 204]);
  });

  it('SIG-13 are found beside keys of other kinds and unreadable ones, however many', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const others = Array.from({ length: 8 }, () => publicKey.export({ format: 'jwk' }));
    const unreadable = { kty: 'OKP', crv: 'Ed25519', kid: 'k0', x: 'short' };
    const document = { keys: [...others, unreadable, ...trusted.document.keys] } as JwksDocument;
    const world = enforcing(() => document);
    expect(await world.post(alsoSigned(world, [trusted]))).toBe(204);
    expect(await world.post(alsoSigned(world, [foreign], { id: 'msg_event_2' }))).toBe(401);
    expect(world.warnings).toEqual([]);
  });

  it('SIG-13 are never verified with a key from the delivery', async () => {
    const world = enforcing(() => trusted.document);
    const [key] = foreign.document.keys;
    const body = { ...occurrence(), jwks: foreign.document, _meta: { jwk: key } };
    const headers = { 'x-jwks': JSON.stringify(foreign.document), 'x-public-key': key!.x };
    expect(await world.post(alsoSigned(world, [foreign], { body, headers }))).toBe(401);
  });

  it('SIG-12 SIG-13 are required of challenges too', async () => {
    const world = enforcing(() => trusted.document);
    const options = { id: 'msg_verification_1', body: challenge };
    expect(await world.post(options)).toBe(401);
    expect(await world.post(alsoSigned(world, [trusted], options))).toBe(200);
  });

  it('SIG-13 VERIFY-14 that cannot be verified now are to come again, but a challenge is refused at once', async () => {
    const world = enforcing(() => Promise.reject(new Error('the key server is down')));
    expect(await world.post(alsoSigned(world, [trusted]))).toBe(503);
    expect(await world.post(alsoSigned(world, [trusted], { id: 'msg_verification_1', body: challenge }))).toBe(401);
    expect(world.warnings).toEqual([expect.stringContaining('key server'), expect.stringContaining('key server')]);
    expect(world.received).toEqual([]);
  });

  it('SIG-07 cost nothing before the HMAC is right', async () => {
    let calls = 0;
    const world = enforcing(() => {
      calls += 1;
      return trusted.document;
    });
    expect(await world.post({ headers: { 'webhook-signature': 'v1,bad' } })).toBe(401);
    expect(calls).toBe(0);
  });
});
