import { decodeWebhookSecret, signWebhook } from '@mcp-events/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { challenge, occurrence, ReceiverWorld, secretA } from './receiverWorld.ts';
import { settle } from './support/fakeClock.ts';

const LIMIT = 262_144;

function registered(): ReceiverWorld {
  const world = new ReceiverWorld();
  world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
  return world;
}

/** A signed body of exactly this many bytes. */
function bodyOf(bytes: number): string {
  const empty = JSON.stringify(occurrence('e1', { data: { text: '' } }));
  return empty.replace('""', `"${'x'.repeat(bytes - empty.length)}"`);
}

/** The signed request with its body as a stream, in pieces, without a length. */
function streamed(request: Request, body: ReadableStream<Uint8Array>, headers: Record<string, string> = {}): Request {
  return new Request(request.url, {
    method: 'POST',
    headers: { ...Object.fromEntries(request.headers), ...headers },
    body,
    duplex: 'half',
  } as RequestInit);
}

/** Counts what is taken from it and whether it was told to stop. */
function source(pull: (controller: ReadableStreamDefaultController<Uint8Array>) => void | Promise<void>): {
  stream: ReadableStream<Uint8Array>;
  cancelled: () => boolean;
} {
  let wasCancelled = false;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull,
      cancel: () => {
        wasCancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, cancelled: () => wasCancelled };
}

describe('large bodies', () => {
  it('RECV-08 of exactly 256 KiB are accepted, with and without a length', async () => {
    const world = registered();
    const body = bodyOf(LIMIT);
    expect(await world.post({ id: 'm1', body, headers: { 'content-length': String(LIMIT) } })).toBe(204);
    const bytes = new TextEncoder().encode(body.replace('e1', 'e2'));
    const request = world.request({ id: 'm2', body: body.replace('e1', 'e2') });
    let at = 0;
    const { stream } = source((controller) => {
      controller.enqueue(bytes.subarray(at, at + 60_000));
      at += 60_000;
      if (at >= bytes.length) controller.close();
    });
    expect((await world.receiver.handle(streamed(request, stream))).status).toBe(204);
    expect(world.received).toMatchObject([{ bytes: LIMIT }, { bytes: LIMIT, event: { eventId: 'e2' } }]);
  });

  it('RECV-08 of more are answered 413', async () => {
    const world = registered();
    const response = await world.receiver.handle(world.request({ body: bodyOf(LIMIT + 1) }));
    expect(response.status).toBe(413);
    expect(response.headers.get('connection')).toBe('close');
    expect(world.received).toEqual([]);
  });

  it('RECV-08 are refused by their announced length alone', async () => {
    const world = registered();
    let pulls = 0;
    const { stream } = source(() => {
      pulls += 1;
    });
    const request = streamed(world.request(), stream, { 'content-length': String(LIMIT + 1) });
    expect((await world.receiver.handle(request)).status).toBe(413);
    expect(pulls).toBe(0);
  });

  it('RECV-08 without end are cut at the limit, whatever length they announce', async () => {
    for (const announced of [undefined, '10', '-1', 'many', '10, 10']) {
      const world = registered();
      let sent = 0;
      const { stream, cancelled } = source((controller) => {
        sent += 16_384;
        controller.enqueue(new Uint8Array(16_384));
      });
      const headers: Record<string, string> = announced === undefined ? {} : { 'content-length': announced };
      expect((await world.receiver.handle(streamed(world.request(), stream, headers))).status).toBe(413);
      expect(cancelled()).toBe(true);
      expect(sent).toBe(LIMIT + 16_384);
    }
  });

  it('are taken up to a higher limit', async () => {
    const world = new ReceiverWorld({ maxBodyBytes: LIMIT + 10 });
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    expect(await world.post({ id: 'm1', body: bodyOf(LIMIT + 10) })).toBe(204);
    expect(await world.post({ id: 'm2', body: bodyOf(LIMIT + 11) })).toBe(413);
  });
});

describe('bodies that do not come', () => {
  it('are answered 400 when the stream fails', async () => {
    const world = registered();
    const { stream } = source((controller) => controller.error(new Error('connection reset')));
    expect((await world.receiver.handle(streamed(world.request(), stream))).status).toBe(400);
    expect(world.clock.pendingTimers).toBe(0);
    expect(world.warnings).toEqual([]);
  });

  it('are answered 400 when the stream holds something else than bytes', async () => {
    const world = registered();
    const { stream } = source((controller) => controller.enqueue('x'.repeat(10) as never));
    const { url, headers } = world.request();
    // Not every runtime looks at what a stream holds before it is read.
    const request = { url, headers, method: 'POST', body: stream } as unknown as Request;
    expect((await world.receiver.handle(request)).status).toBe(400);
  });

  it('are given up after a while', async () => {
    const world = registered();
    const { stream, cancelled } = source(async (controller) => {
      controller.enqueue(new Uint8Array(1));
      await new Promise(() => {});
    });
    const response = world.receiver.handle(streamed(world.request(), stream));
    await settle();
    await world.clock.advance(15_000);
    expect((await response).status).toBe(408);
    expect(cancelled()).toBe(true);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('were read by something else: answered 500, and told to whoever mounted the receiver', async () => {
    const world = registered();
    const request = world.request();
    await request.text();
    const held = world.request();
    held.body!.getReader();
    for (const wrong of [request, held]) expect((await world.receiver.handle(wrong)).status).toBe(500);
    const told = expect.stringContaining('before what parses bodies');
    expect(world.warnings).toEqual([told, told]);
  });

  it('are not even read when no secret could have signed them', async () => {
    const world = registered();
    let pulls = 0;
    const { stream } = source(() => {
      pulls += 1;
    });
    const request = streamed(world.request({ subscription: 'sub_2' }), stream);
    expect((await world.receiver.handle(request)).status).toBe(503);
    expect(pulls).toBe(0);
  });

  it('SIG-07 that are empty are verified like others', async () => {
    const world = registered();
    const { url, headers } = world.request({ body: '' });
    expect((await world.receiver.handle(new Request(url, { method: 'POST', headers }))).status).toBe(400);
  });
});

describe('headers', () => {
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'x-mcp-subscription-id'] as const;

  it.each(names)('%s missing, empty or given twice is answered 400', async (name) => {
    const world = registered();
    const value = world.request().headers.get(name)!;
    for (const wrong of [null, '', ' ', `${value}, ${value}`]) {
      expect(await world.post({ headers: { [name]: wrong } })).toBe(400);
    }
    const twice = world.request();
    twice.headers.append(name, value);
    expect((await world.receiver.handle(twice)).status).toBe(400);
    expect(world.received).toEqual([]);
  });

  it.each(['now', '1e3', '-1000', '+1000', '1000.0', '0x3e8', '99999999999999999999', '1000 1000'])(
    'a timestamp of %s is answered 400',
    async (timestamp) => {
      const world = registered();
      expect(await world.post({ headers: { 'webhook-timestamp': timestamp } })).toBe(400);
      expect(world.received).toEqual([]);
    },
  );

  it('SIG-07 SIG-08 signatures of any text neither throw nor pass', async () => {
    const world = registered();
    const text = fc.string({ unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            text,
            text.map((rest) => `v1,${rest}`),
          ),
          { minLength: 1 },
        ),
        async (entries) => {
          expect([400, 401]).toContain(await world.post({ headers: { 'webhook-signature': entries.join(' ') } }));
        },
      ),
    );
    expect(world.received).toEqual([]);
  });
});

describe('signed nonsense', () => {
  it.each(['', 'x', '{', '[]', '7', 'null', '"text"', 'true', '{} {}', '\u0000', '[{"eventId":"e1"}]'])(
    'SIG-07 that is no JSON object is answered 400: %j',
    async (body) => {
      const world = registered();
      expect(await world.post({ body })).toBe(400);
      expect(world.received).toEqual([]);
    },
  );

  it('that is no UTF-8 is answered 400', async () => {
    const world = registered();
    const body = Buffer.from('{"eventId":"\u00fc"}', 'latin1');
    const timestampSeconds = world.clock.now() / 1000;
    const signature = signWebhook(decodeWebhookSecret(secretA), { id: 'msg_event_1', timestampSeconds, body });
    const { url, headers } = world.request({ headers: { 'webhook-signature': signature } });
    expect((await world.receiver.handle(new Request(url, { method: 'POST', headers, body }))).status).toBe(400);
  });

  it('of a known type is answered 400 and told, without repeating values', async () => {
    const world = registered();
    const bodies = [
      { ...occurrence(), eventId: '' },
      { ...occurrence(), data: 'secret-value' },
      { type: 'gap', cursor: null },
      { type: 'terminated', error: 'secret-value' },
      { type: 'verification', challenge: 7 },
    ];
    for (const body of bodies) {
      const response = await world.receiver.handle(world.request({ body }));
      expect(response.status).toBe(400);
      expect(await response.text()).not.toContain('secret-value');
    }
    expect(world.received).toEqual([]);
    expect(world.warnings).toHaveLength(bodies.length);
    expect(world.warnings.join()).not.toContain('secret-value');
  });

  it('nested a hundred thousand times is handled like other events', async () => {
    const world = registered();
    const depth = 100_000;
    const body = `{"eventId":"e1","name":"n","timestamp":"t","data":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}}`;
    expect(await world.post({ body })).toBe(204);
    expect(world.eventIds).toEqual(['e1']);
  });

  it('does not reach a prototype', async () => {
    const world = registered();
    const body = `{"__proto__":{"polluted":1},"eventId":"e1","name":"n","timestamp":"t","data":{"__proto__":{"polluted":1}},"_meta":{"__proto__":{"mcp-events/order":{"position":"p","previous":null}}}}`;
    expect(await world.post({ body })).toBe(204);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(world.received).toMatchObject([{ order: undefined }]);
    expect((world.received[0] as unknown as { event: Record<string, unknown> }).event['polluted']).toBeUndefined();
  });

  it('never makes it throw', async () => {
    const world = registered();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.boolean(), async (value, asEvent) => {
        const body = asEvent ? { ...occurrence(), _meta: { 'mcp-events/order': value } } : value;
        expect([200, 204, 400]).toContain(await world.post({ body: JSON.stringify(body) }));
      }),
    );
    expect(world.warnings.filter((warning) => !warning.includes('malformed'))).toEqual([]);
  });
});

describe('answers', () => {
  it('SIG-02 neither repeat a secret nor what was posted', async () => {
    const world = registered();
    world.receiver.register({
      secret: secretA,
      path: 'failing',
      accept: () => {
        throw new Error('database password is hunter2');
      },
    });
    const url = 'https://agent.example/failing';
    const responses = [
      world.request({ url }),
      world.request({ subscription: 'sub_marker' }),
      world.request({ ageSeconds: 999 }),
      world.request({ body: 'marker' }),
      world.request({ id: 'marker', headers: { 'webhook-signature': 'v1,marker' } }),
      world.request({ headers: { 'webhook-timestamp': 'marker' } }),
    ].map((request) => world.receiver.handle(request));
    for (const response of await Promise.all(responses)) {
      const text = `${await response.text()}${JSON.stringify([...response.headers])}`;
      expect(response.status).toBeGreaterThanOrEqual(400);
      for (const hidden of ['marker', 'hunter2', secretA, secretA.slice(6)]) expect(text).not.toContain(hidden);
    }
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('log full');
      },
    ],
    ['rejects', () => Promise.reject(new Error('log full'))],
  ])('CLIENT-20 are given, and nothing ends, even if what is told %s', async (_what, fail) => {
    const unhandled: unknown[] = [];
    const catchIt = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', catchIt);
    const world = new ReceiverWorld({ onWarning: fail });
    const accept = (): Promise<never> => Promise.reject(new Error('no'));
    world.receiver.register({ secret: secretA, id: 'sub_1', accept, refused: fail });
    expect(await world.post()).toBe(503);
    expect(await world.post({ ageSeconds: 999 })).toBe(401);
    expect(await world.post({ body: challenge, url: 'https://agent.example/%' })).toBe(200);
    // Such rejections are told after the microtasks of their turn.
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', catchIt);
    expect(unhandled).toEqual([]);
  });
});
