import { inspect } from 'node:util';
import { createWebhookSecret, decodeWebhookSecret, signWebhook } from '@mcp-events/protocol';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { type AcceptResult, RECEIVER_DOCUMENT_PATH, receiverDocument, WebhookReceiver } from '../src/receiver/index.ts';
import * as receiverModule from '../src/receiver/index.ts';
import { challenge, occurrence, ReceiverWorld, secretA, secretB, secretC } from './receiverWorld.ts';
import { settle } from './support/fakeClock.ts';

/** A promise that is decided from outside. */
function decision<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Shows whether a promise is still open. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  await settle();
  return (await Promise.race([promise, Promise.resolve(isPending)])) === isPending;
}

it('exports exactly these values', () => {
  expect(Object.keys(receiverModule).toSorted()).toEqual([
    'ArrivalOrder',
    'RECEIVER_DOCUMENT_PATH',
    'WebhookInbox',
    'WebhookReceiver',
    'memoryInboxStore',
    'receiverDocument',
    'systemClock',
  ]);
});

describe('a verified message', () => {
  it('RECV-07 ENV-01 of an event reaches the callback whole, with eventId, cursor and order', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const order = { position: 'p2', previous: 'p1' };
    const event = occurrence('e1', { cursor: 'c7', _meta: { 'mcp-events/order': order, trace: 't' } });
    const response = await world.receiver.handle(world.request({ body: event }));
    expect(response.status).toBe(204);
    expect(await response.text()).toBe('');
    expect(world.received).toEqual([
      {
        kind: 'event',
        subscriptionId: 'sub_1',
        webhookId: 'msg_event_1',
        event,
        order,
        bytes: JSON.stringify(event).length,
      },
    ]);
  });

  it('CUR-04 of an event without cursor has a null cursor', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    expect(await world.post({ body: occurrence('e1', { cursor: undefined }) })).toBe(204);
    expect(world.received).toMatchObject([{ event: { cursor: null }, order: undefined }]);
  });

  it('ENV-06 of a gap or a termination reaches the callback, with the subscription', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const error = { code: -32024, message: 'revoked', data: { reason: 'revoked' } };
    expect(await world.post({ id: 'msg_gap_1', body: { type: 'gap', cursor: 'c9' } })).toBe(204);
    expect(await world.post({ id: 'msg_terminated_1', body: { type: 'terminated', error } })).toBe(204);
    expect(world.received).toEqual([
      { kind: 'gap', subscriptionId: 'sub_1', webhookId: 'msg_gap_1', cursor: 'c9' },
      { kind: 'terminated', subscriptionId: 'sub_1', webhookId: 'msg_terminated_1', error },
    ]);
  });

  it('ENV-08 of an unknown type is answered 2xx and ignored, even if it looks like an event', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    for (const type of ['future', null, 7, '']) {
      expect(await world.post({ body: { ...occurrence(), type } })).toBe(204);
    }
    expect(world.received).toEqual([]);
  });

  it('ENV-08 of an unknown type must be signed as well', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    expect(await world.post({ body: { type: 'future' }, secret: secretB })).toBe(401);
  });
});

describe('signatures', () => {
  it('SIG-06 are verified over the raw bytes: odd spacing and escapes do not matter', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const body = `\t{ "name":"incident.opened" ,"data":{"text":"\\u00fc ü 🙂"},\n "eventId" : "e\\u0031","timestamp":"2026-07-28T10:00:00Z"} \n`;
    expect(await world.post({ body })).toBe(204);
    expect(world.received).toMatchObject([{ event: { eventId: 'e1', data: { text: 'ü ü 🙂' } } }]);
  });

  it('SIG-07 that are wrong have no effect and are answered 401', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const signed = world.request();
    const headers = Object.fromEntries(signed.headers);
    expect(await world.post({ body: occurrence('e2'), headers })).toBe(401);
    expect(await world.post({ headers: { 'webhook-id': 'msg_event_2' } })).toBe(401);
    expect(await world.post({ body: 'not even JSON', headers })).toBe(401);
    expect(await world.post({ body: '', headers })).toBe(401);
    expect(world.received).toEqual([]);
    expect((await world.receiver.handle(signed)).status).toBe(204);
  });

  it('SIG-08 are accepted if any listed one verifies', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const good = world.request().headers.get('webhook-signature')!;
    const list = (signatures: string): Promise<number> => world.post({ headers: { 'webhook-signature': signatures } });
    expect(await list(`v1a,x v1,bad ${good}`)).toBe(204);
    expect(await list(`${good} v1,bad`)).toBe(204);
    expect(await list(`v1a,${good.slice(3)} v2,${good.slice(3)} v1,bad`)).toBe(401);
  });

  it('SIG-09 are refused with a timestamp of more than 5 minutes ago or ahead', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    expect(await world.post({ ageSeconds: 301 })).toBe(401);
    expect(await world.post({ ageSeconds: -301 })).toBe(401);
    expect(world.received).toEqual([]);
    expect(await world.post({ id: 'a', ageSeconds: 299 })).toBe(204);
    expect(await world.post({ id: 'b', ageSeconds: -299 })).toBe(204);
  });

  it('RECV-18 that are refused for their time are told to the callback, if its key signed them', async () => {
    const world = new ReceiverWorld();
    let refused = 0;
    const callback = world.receiver.register({
      secret: secretA,
      id: 'sub_1',
      accept: world.accept,
      refused: () => {
        refused += 1;
        throw new Error('of the application');
      },
    });
    for (const ageSeconds of [301, -301]) expect(await world.post({ ageSeconds })).toBe(401);
    expect(refused).toBe(2);
    expect(world.warnings).toHaveLength(2);
    // Of somebody else, or nothing to do with time: without effect (SIG-07).
    expect(await world.post({ ageSeconds: 301, secret: secretB })).toBe(401);
    expect(await world.post({ secret: secretB })).toBe(401);
    expect(await world.post({ ageSeconds: 301, headers: { 'webhook-id': 'other' } })).toBe(401);
    expect(await world.post({ ageSeconds: 300 })).toBe(204);
    expect(refused).toBe(2);
    callback.close();
    expect(await world.post({ ageSeconds: 301 })).toBe(503);
    expect([refused, world.received.length]).toEqual([2, 1]);
  });

  it('SIG-09 accept another tolerance', async () => {
    const world = new ReceiverWorld({ toleranceMs: 10_000 });
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    expect(await world.post({ ageSeconds: 11 })).toBe(401);
    expect(await world.post({ ageSeconds: 9 })).toBe(204);
  });

  it('SIG-05 under the old and the new secret are accepted during a rotation, and under the new one after it', async () => {
    const world = new ReceiverWorld();
    const callback = world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    callback.rotate(secretB);
    const post = (id: string, secret: string): Promise<number> => world.post({ id, secret, body: occurrence(id) });
    expect([await post('1', secretA), await post('2', secretB), await post('3', secretC)]).toEqual([204, 204, 401]);
    callback.dropOldSecrets();
    expect([await post('4', secretA), await post('5', secretB)]).toEqual([401, 204]);
    expect(() => callback.rotate('whsec_short')).toThrow(TypeError);
    expect(await post('6', secretB)).toBe(204);
  });

  it('SIG-14 under the eight latest secrets are accepted, under none before', async () => {
    const world = new ReceiverWorld();
    const secrets = Array.from({ length: 9 }, () => createWebhookSecret());
    const callback = world.receiver.register({ secret: secrets[0]!, id: 'sub_1', accept: world.accept });
    const answers = async (count: number): Promise<number[]> => {
      const got: number[] = [];
      for (const [index, secret] of secrets.slice(0, count).entries()) {
        const id = `${count}.${index}`;
        got.push(await world.post({ id, secret, body: occurrence(id) }));
      }
      return got;
    };
    for (const secret of secrets.slice(1, 8)) callback.rotate(secret);
    expect(await answers(8)).toEqual(Array<number>(8).fill(204));
    callback.rotate(secrets[8]!);
    expect(await answers(9)).toEqual([401, ...Array<number>(8).fill(204)]);
  });

  it('SIG-03 made by the standardwebhooks library are accepted', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const body = JSON.stringify(occurrence('e1', { data: { text: 'ü🙂' } }));
    const timestamp = new Date(world.clock.now());
    const signature = new Webhook(secretA).sign('msg_1', timestamp, body);
    const headers = { 'webhook-signature': signature };
    expect(await world.post({ id: 'msg_1', body, headers })).toBe(204);
    expect(
      signWebhook(decodeWebhookSecret(secretA), { id: 'msg_1', timestampSeconds: timestamp.getTime() / 1_000, body }),
    ).toBe(signature);
  });
});

describe('the secret', () => {
  it('RECV-01 is chosen by X-MCP-Subscription-Id: two subscriptions share one URL', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    world.receiver.register({ secret: secretB, id: 'sub_2', accept: world.accept });
    expect(await world.post({ subscription: 'sub_1', secret: secretA })).toBe(204);
    expect(await world.post({ subscription: 'sub_2', secret: secretB })).toBe(204);
    expect(await world.post({ subscription: 'sub_1', secret: secretB })).toBe(401);
    expect(await world.post({ subscription: 'sub_2', secret: secretA })).toBe(401);
    expect(world.received.map(({ subscriptionId }) => subscriptionId)).toEqual(['sub_1', 'sub_2']);
  });

  it('OP-07 of each server is tried when two servers use the same id', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const other: string[] = [];
    const callback = world.receiver.register({
      secret: secretB,
      accept: ({ webhookId }) => {
        other.push(webhookId);
        return 'accepted';
      },
    });
    expect(await world.post({ id: 'msg_verification_1', body: challenge, secret: secretB })).toBe(200);
    expect(callback.id).toBe('sub_1');
    expect(await world.post({ id: 'm1', secret: secretB })).toBe(204);
    expect(await world.post({ id: 'm2', secret: secretA })).toBe(204);
    expect(other).toEqual(['m1']);
    expect(world.received).toMatchObject([{ webhookId: 'm2' }]);
  });

  it('OP-28 is known by the path of a callback URL of its own, whose first event tells the id', async () => {
    const world = new ReceiverWorld();
    const callback = world.receiver.register({ path: 'cb-1', secret: secretA, accept: world.accept });
    world.receiver.register({ path: 'cb-2', secret: secretB, accept: world.accept });
    world.receiver.register({ secret: secretC, id: 'sub_1', accept: world.accept });
    const url = 'https://agent.example/hooks/cb-1?x=1';
    expect(await world.post({ url, secret: secretB })).toBe(401);
    expect(await world.post({ url, secret: secretC })).toBe(401);
    expect(callback.id).toBeUndefined();
    expect(await world.post({ url })).toBe(204);
    expect(callback.id).toBe('sub_1');
    // The header is not signed, and the key has told it already.
    expect(await world.post({ url, id: 'm2', subscription: 'sub_2', body: occurrence('e2') })).toBe(204);
    expect(await world.post({ url, subscription: 'sub_2' })).toBe(204);
    expect(world.received).toMatchObject([
      { event: { eventId: 'e1' }, subscriptionId: 'sub_1' },
      { event: { eventId: 'e2' }, subscriptionId: 'sub_1' },
    ]);
  });

  it('RECV-15 a signed post repeated under another id takes a callback from nobody', async () => {
    const world = new ReceiverWorld();
    const own = world.receiver.register({ path: 'cb-1', secret: secretA, accept: world.accept });
    const shared = world.receiver.register({ secret: secretB, accept: world.accept });
    for (const [callback, target] of [
      [own, { url: 'https://agent.example/hooks/cb-1', secret: secretA }],
      [shared, { secret: secretB }],
    ] as const) {
      const verification = { ...target, id: 'msg_verification_1', body: challenge };
      for (let n = 0; n < 7; n += 1) {
        expect(await world.post({ ...verification, subscription: `sub_evil${n}` })).toBe(200);
      }
      expect(await world.post({ ...verification, subscription: 'sub_1' })).toBe(200);
      expect(await world.post({ ...target, subscription: 'sub_1' })).toBe(204);
      // The same event under another name is no other event.
      expect(await world.post({ ...target, subscription: 'sub_evil1' })).toBe(204);
      expect(world.received.splice(0)).toHaveLength(1);
      callback.bind('sub_1');
      expect(callback.id).toBe('sub_1');
      expect(await world.post({ ...target, id: 'm2', body: occurrence('e2') })).toBe(204);
      expect(world.received.splice(0)).toMatchObject([{ subscriptionId: 'sub_1' }]);
      const isOwn = callback === own;
      const under = { ...target, id: 'm3', subscription: 'sub_evil1', body: occurrence('e3') };
      expect(await world.post(under)).toBe(isOwn ? 204 : 503);
      world.received.splice(0);
    }
  });

  it('SIG-11 is not shown by what a log prints of a registered callback', () => {
    const world = new ReceiverWorld();
    const registered = world.receiver.register({ path: 'cb-1', secret: secretA, accept: world.accept });
    registered.rotate(secretB);
    for (const secret of [secretA, secretB]) {
      for (const shown of [registered, world.receiver]) {
        const text = inspect(shown, { depth: 10, showHidden: true }) + JSON.stringify(shown);
        expect(text).not.toContain(secret.slice(6));
      }
    }
    expect(JSON.stringify(registered)).toBe('{}');
  });

  it.each(['', 'a/b', 'a b', '../a', '?a', 'ü'])(
    'has a path that is one segment of a URL, which "%s" is not',
    (path) => {
      const world = new ReceiverWorld();
      expect(() => world.receiver.register({ path, secret: secretA, accept: world.accept })).toThrow(TypeError);
    },
  );

  it('SIG-01 SIG-02 is refused when it is none, without repeating it', () => {
    const world = new ReceiverWorld();
    const register = (): unknown => world.receiver.register({ secret: 'whsec_hidden', accept: world.accept });
    expect(register).toThrow(TypeError);
    expect(register).not.toThrow(/hidden/);
  });
});

describe('a subscription id that is not known', () => {
  it('RECV-04 gets 503 for events, gaps and terminations, and is served once it is registered', async () => {
    const world = new ReceiverWorld();
    const bodies = [
      occurrence(),
      { type: 'gap', cursor: 'c1' },
      { type: 'terminated', error: { code: 1, message: 'm' } },
    ];
    const post = (index: number): Promise<number> => world.post({ id: `m${index}`, body: bodies[index] });
    expect([await post(0), await post(1), await post(2)]).toEqual([503, 503, 503]);
    const callback = world.receiver.register({ secret: secretA, accept: world.accept });
    expect([await post(0), await post(1), await post(2)]).toEqual([503, 503, 503]);
    expect(world.received).toEqual([]);
    callback.bind('sub_1');
    expect([await post(0), await post(1), await post(2)]).toEqual([204, 204, 204]);
    expect(world.received.map(({ kind }) => kind)).toEqual(['event', 'gap', 'terminated']);
  });

  it('RECV-04 gets 503 again after the callback was closed', async () => {
    const world = new ReceiverWorld();
    for (const path of [undefined, 'cb-1']) {
      const url = `https://agent.example/hooks/${path ?? ''}`;
      const callback = world.receiver.register({ path, secret: secretA, id: 'sub_1', accept: world.accept });
      expect(await world.post({ url })).toBe(204);
      callback.close();
      callback.close();
      expect(await world.post({ url })).toBe(503);
    }
  });

  it('RECV-04 gets 503 when the callback is closed while the body is read', async () => {
    const world = new ReceiverWorld();
    const callback = world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const source = world.request();
    const bytes = new Uint8Array(await source.clone().arrayBuffer());
    const body = decision<void>();
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await body.promise;
        controller.enqueue(bytes);
        controller.close();
      },
    });
    const response = world.receiver.handle(new Request(source, { body: stream, duplex: 'half' } as RequestInit));
    expect(await isPending(response)).toBe(true);
    callback.close();
    body.resolve();
    expect((await response).status).toBe(503);
    expect(world.received).toEqual([]);
  });
});

describe('a challenge', () => {
  it('ENV-07 is echoed and not passed on, as often as it comes', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    for (let round = 0; round < 3; round += 1) {
      const response = await world.receiver.handle(world.request({ id: 'msg_verification_1', body: challenge }));
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toMatch(/^application\/json/);
      expect(await response.json()).toEqual({ challenge: 'nonce-1' });
    }
    expect(world.received).toEqual([]);
  });

  it('VERIFY-13 with an unknown id is tried against the secrets without an id, and tells the id of the one that verifies', async () => {
    const world = new ReceiverWorld();
    const bound = world.receiver.register({ secret: secretB, id: 'sub_9', accept: world.accept });
    const first = world.receiver.register({ secret: secretC, accept: world.accept });
    const second = world.receiver.register({ secret: secretA, accept: world.accept });
    expect(await world.post({ id: 'msg_verification_1', body: challenge })).toBe(200);
    expect([bound.id, first.id, second.id]).toEqual(['sub_9', undefined, 'sub_1']);
    expect(await world.post({ id: 'm1' })).toBe(204);
    expect(world.received).toMatchObject([{ subscriptionId: 'sub_1' }]);
  });

  it('VERIFY-13 VERIFY-14 is refused at once under a wrong secret, with neither echo nor 503', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretB, accept: world.accept });
    world.receiver.register({ secret: secretC, id: 'sub_9', accept: world.accept });
    world.receiver.register({ path: 'cb-1', secret: secretB, accept: world.accept });
    for (const url of ['https://agent.example/hooks', 'https://agent.example/hooks/cb-1']) {
      for (const secret of [secretA, secretC]) {
        const response = await world.receiver.handle(
          world.request({ url, id: 'msg_verification_1', body: challenge, secret }),
        );
        expect(response.status).toBe(401);
        expect(await response.text()).not.toContain('nonce-1');
      }
    }
  });

  it('VERIFY-14 is refused at once when nothing is registered', async () => {
    const world = new ReceiverWorld();
    expect(await world.post({ id: 'msg_verification_1', body: challenge })).toBe(401);
  });

  it('VERIFY-13 tells no id when the same secret is registered twice; the subscribe result does', async () => {
    const world = new ReceiverWorld();
    const callbacks = [1, 2].map(() => world.receiver.register({ secret: secretA, accept: world.accept }));
    expect(await world.post({ id: 'msg_verification_1', body: challenge })).toBe(200);
    expect(callbacks.map(({ id }) => id)).toEqual([undefined, undefined]);
    expect(await world.post({ id: 'm1' })).toBe(503);
    callbacks[1]!.bind('sub_1');
    expect(await world.post({ id: 'm1' })).toBe(204);
  });

  it('on a shared URL is only looked for in short bodies, since many secrets may have to be tried', async () => {
    const world = new ReceiverWorld();
    const callback = world.receiver.register({ secret: secretA, accept: world.accept });
    expect(await world.post({ body: { ...challenge, padding: 'x'.repeat(8_192) } })).toBe(503);
    expect(callback.id).toBeUndefined();
    expect(await world.post({ body: { ...challenge, padding: 'x'.repeat(8_000) } })).toBe(200);
  });
});

describe('repetitions', () => {
  it('RECV-05 are recognised by webhook-id, handed over once and answered 2xx', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const gap = { type: 'gap', cursor: 'c1' };
    expect([await world.post(), await world.post(), await world.post({ ageSeconds: 5 })]).toEqual([204, 204, 204]);
    expect([await world.post({ id: 'g', body: gap }), await world.post({ id: 'g', body: gap })]).toEqual([204, 204]);
    expect(world.received.map(({ kind }) => kind)).toEqual(['event', 'gap']);
  });

  it('RECV-06 DIALECT-10 of an event are recognised by eventId, whatever the webhook-id is', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    for (const id of ['e1', 'msg_event_1', 'msg_event_2']) expect(await world.post({ id })).toBe(204);
    expect(await world.post({ id: 'e2', body: occurrence('e2') })).toBe(204);
    expect(world.eventIds).toEqual(['e1', 'e2']);
  });

  it('DIALECT-10 are not confused when one message has the id of another one’s event', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    expect(await world.post({ id: 'a', body: occurrence('b') })).toBe(204);
    expect(await world.post({ id: 'b', body: occurrence('a') })).toBe(204);
    expect(world.eventIds).toEqual(['b', 'a']);
  });

  it('RECV-06 are none across subscriptions', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    world.receiver.register({ secret: secretB, id: 'sub_2', accept: world.accept });
    expect(await world.post({ id: 'e1' })).toBe(204);
    expect(await world.post({ id: 'e1', subscription: 'sub_2', secret: secretB })).toBe(204);
    expect(world.eventIds).toEqual(['e1', 'e1']);
  });

  it('ORDER-02 shuffled and doubled deliveries are each handed over once', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const posts = [3, 1, 2, 3, 3, 5, 1, 4, 2].map((n) => world.post({ id: `m${n}`, body: occurrence(`e${n}`) }));
    expect(await Promise.all(posts)).toEqual(posts.map(() => 204));
    expect(world.eventIds).toEqual(['e3', 'e1', 'e2', 'e5', 'e4']);
  });

  it('RECV-17 tell the callback another place of an event, once for each place, whatever the message is called', async () => {
    const world = new ReceiverWorld();
    const repeated: unknown[] = [];
    world.receiver.register({
      secret: secretA,
      id: 'sub_1',
      accept: world.accept,
      repeated: ({ event, order }) => repeated.push([event.eventId, order]),
    });
    const at = (position: string): unknown => ({ 'mcp-events/order': { position, previous: null } });
    const post = (id: string, position: string): Promise<number> =>
      world.post({ id, body: occurrence('e1', { _meta: at(position) }) });
    expect([await post('m1', 'p1'), await post('m1', 'p1'), await post('m1', 'n1'), await post('m1', 'n1')]).toEqual([
      204, 204, 204, 204,
    ]);
    expect([await post('m2', 'n1'), await post('m2', 'o1')]).toEqual([204, 204]);
    expect(await world.post({ id: 'm3' })).toBe(204);
    expect(world.eventIds).toEqual(['e1']);
    expect(repeated).toEqual([
      ['e1', { position: 'n1', previous: null }],
      ['e1', { position: 'o1', previous: null }],
    ]);
  });

  it('RECV-17 tell the callback that an event has another predecessor at the place it had', async () => {
    const world = new ReceiverWorld();
    const repeated: unknown[] = [];
    world.receiver.register({
      secret: secretA,
      id: 'sub_1',
      accept: world.accept,
      repeated: ({ order }) => repeated.push(order),
    });
    for (const previous of ['p0', null, null]) {
      const _meta = { 'mcp-events/order': { position: 'p1', previous } };
      expect(await world.post({ id: 'm1', body: occurrence('e1', { _meta }) })).toBe(204);
    }
    expect(world.eventIds).toEqual(['e1']);
    expect(repeated).toEqual([{ position: 'p1', previous: null }]);
  });
});

describe('the answer', () => {
  it('RECV-02 waits until the message is accepted', async () => {
    const world = new ReceiverWorld();
    const stored = decision<AcceptResult>();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: () => stored.promise });
    const status = world.post();
    expect(await isPending(status)).toBe(true);
    stored.resolve('accepted');
    expect(await status).toBe(204);
  });

  it('RECV-02 is 503 if the message could not be stored, and the repetition is handed over again', async () => {
    const world = new ReceiverWorld();
    const outcomes: (() => AcceptResult | Promise<AcceptResult>)[] = [
      () => Promise.reject(new Error('disk full')),
      () => {
        throw new Error('disk gone');
      },
      () => 'retry',
      () => 'accepted',
    ];
    let calls = 0;
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: () => outcomes[calls++]!() });
    const statuses = [
      await world.post(),
      await world.post(),
      await world.post(),
      await world.post(),
      await world.post(),
    ];
    expect(statuses).toEqual([503, 503, 503, 204, 204]);
    expect(calls).toBe(4);
    expect(world.warnings).toEqual([expect.stringContaining('disk full'), expect.stringContaining('disk gone')]);
  });

  it('RECV-08 is 410 for a message that is refused for good', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: () => 'gone' });
    expect([await world.post(), await world.post()]).toEqual([410, 410]);
  });

  it('RECV-02 RECV-05 to a repetition waits for the outcome of the first and is the same', async () => {
    for (const [outcome, status] of [
      ['accepted', 204],
      ['retry', 503],
      ['gone', 410],
    ] as const) {
      const world = new ReceiverWorld();
      const stored = decision<AcceptResult>();
      let calls = 0;
      const accept = (): Promise<AcceptResult> => {
        calls += 1;
        return stored.promise;
      };
      world.receiver.register({ secret: secretA, id: 'sub_1', accept });
      const answers = Promise.all([world.post(), world.post(), world.post({ id: 'another-message' })]);
      expect(await isPending(answers)).toBe(true);
      stored.resolve(outcome);
      expect(await answers).toEqual([status, status, status]);
      expect(calls).toBe(1);
    }
  });

  it('RECV-02 to a repetition is 503 when the first fails', async () => {
    const world = new ReceiverWorld();
    const stored = decision<AcceptResult>();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: () => stored.promise });
    const answers = Promise.all([world.post(), world.post()]);
    await settle();
    stored.reject(new Error('disk full'));
    expect(await answers).toEqual([503, 503]);
  });

  it('is 405 for any method but POST', async () => {
    const world = new ReceiverWorld();
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const response = await world.receiver.handle(new Request('https://agent.example/hooks', { method }));
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('POST');
    }
  });
});

describe('the well-known document', () => {
  it('RECV-09 lists the path prefixes', async () => {
    expect(RECEIVER_DOCUMENT_PATH).toBe('/.well-known/mcp-webhook-receiver.json');
    const handle = receiverDocument(['/hooks', '/other/']);
    const url = `https://agent.example${RECEIVER_DOCUMENT_PATH}`;
    const response = handle(new Request(url));
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await response.json()).toEqual({ receivers: ['/hooks', '/other/'] });
    expect(handle(new Request(url, { method: 'POST' })).status).toBe(405);
    expect(() => receiverDocument(['/hooks', 'hooks'])).toThrow(TypeError);
  });
});

it('RECV-08 refuses a limit below what servers may send', () => {
  for (const maxBodyBytes of [0, 262_143, Number.NaN, Infinity, '300000' as never]) {
    expect(() => new WebhookReceiver({ maxBodyBytes })).toThrow(TypeError);
  }
});
