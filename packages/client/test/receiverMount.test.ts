import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeWebhookSecret, signWebhook } from '@mcp-events/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeHandler } from '../src/node.ts';
import { RECEIVER_DOCUMENT_PATH, receiverDocument } from '../src/receiver/index.ts';
import { challenge, occurrence, ReceiverWorld, secretA } from './receiverWorld.ts';

const open: Server[] = [];

afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(world: ReceiverWorld): Promise<string> {
  const document = receiverDocument(['/hooks']);
  const server = createServer(
    nodeHandler(
      (request) =>
        new URL(request.url).pathname === RECEIVER_DOCUMENT_PATH ? document(request) : world.receiver.handle(request),
      { timers: world.clock },
    ),
  );
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function send(
  origin: string,
  world: ReceiverWorld,
  options: Parameters<ReceiverWorld['post']>[0],
): Promise<Response> {
  return fetch(world.request({ ...options, url: `${origin}${options?.url ?? '/hooks'}` }));
}

describe('mounted in node:http', () => {
  it('ENV-07 RECV-01 RECV-05 RECV-09 takes what a server sends', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ path: 'cb-1', secret: secretA, accept: world.accept });
    const origin = await serve(world);
    const url = '/hooks/cb-1';
    const echo = await send(origin, world, { url, id: 'msg_verification_1', body: challenge });
    expect(await echo.json()).toEqual({ challenge: 'nonce-1' });
    const body = occurrence('e1', { data: { text: 'ü🙂' } });
    expect((await send(origin, world, { url, body })).status).toBe(204);
    expect((await send(origin, world, { url, body })).status).toBe(204);
    expect((await send(origin, world, { url: '/hooks/cb-2', body })).status).toBe(503);
    expect(world.received).toMatchObject([{ kind: 'event', event: { data: { text: 'ü🙂' } } }]);
    expect((await fetch(`${origin}/hooks`)).status).toBe(405);
    expect(await (await fetch(origin + RECEIVER_DOCUMENT_PATH)).json()).toEqual({ receivers: ['/hooks'] });
  });

  it('RECV-08 cuts a body without end, and the answer still arrives', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const { port } = new URL(await serve(world));
    const headers = Object.fromEntries(world.request().headers);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      let answered: number | undefined;
      const posting = request({ port, method: 'POST', path: '/hooks', headers }, (response) => {
        answered = response.statusCode;
        response.resume();
      });
      const piece = Buffer.alloc(16_384);
      const more = (error?: Error | null): void => {
        // A write that failed calls back as well, and later versions of Node.js do not call the request destroyed then.
        if (error == null && !posting.destroyed) posting.write(piece, more);
      };
      more();
      // Closing in the middle of a body shows as an error here, after the answer.
      posting.on('error', (error) => (answered === undefined ? reject(error) : undefined));
      posting.on('close', () => resolve(answered));
    });
    expect(status).toBe(413);
    expect(world.received).toEqual([]);
  });

  it('refuses a header that was sent twice', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const { port } = new URL(await serve(world));
    const signed = world.request();
    const body = await signed.text();
    const headers = [...signed.headers, ['webhook-id', 'msg_event_1']].flat();
    const status = await new Promise((resolve, reject) => {
      const posting = request({ port, method: 'POST', path: '/hooks', headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      posting.on('error', reject);
      posting.end(body);
    });
    expect(status).toBe(400);
  });

  it('survives a sender that goes away in the middle of a body', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const origin = await serve(world);
    const { port } = new URL(origin);
    const headers = { ...Object.fromEntries(world.request().headers), 'content-length': '1000' };
    await new Promise<void>((resolve) => {
      const posting = request({ port, method: 'POST', path: '/hooks', headers });
      posting.on('error', () => {});
      posting.on('close', resolve);
      posting.write('{"eventId":', () => posting.destroy());
    });
    expect((await send(origin, world, {})).status).toBe(204);
    expect(world.eventIds).toEqual(['e1']);
  });

  it('RECV-11 refuses by the headers, while the body is still to come', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ path: 'cb-1', secret: secretA, accept: world.accept });
    const { port } = new URL(await serve(world));
    const headers = { ...Object.fromEntries(world.request().headers), 'content-length': '4000000' };
    const statusOf = (path: string): Promise<number | undefined> =>
      new Promise((resolve) => {
        const posting = request({ port, method: 'POST', path, headers }, (response) => {
          resolve(response.statusCode);
          posting.destroy();
        });
        posting.on('error', () => {});
        posting.flushHeaders();
      });
    expect(await statusOf('/hooks/nobody')).toBe(503);
    expect(await statusOf('/hooks/cb-1')).toBe(413);
  });

  it('RECV-11 answers a body that comes too slowly at its time', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ path: 'cb-1', secret: secretA, accept: world.accept });
    const { port } = new URL(await serve(world));
    const headers = { ...Object.fromEntries(world.request().headers), 'content-length': '1000' };
    const answered = new Promise<number | undefined>((resolve) => {
      const posting = request({ port, method: 'POST', path: '/hooks/cb-1', headers }, (response) => {
        resolve(response.statusCode);
        posting.destroy();
      });
      posting.on('error', () => {});
      posting.write('{');
    });
    while (world.clock.pendingTimers === 0) await new Promise((resolve) => setImmediate(resolve));
    await world.clock.advance(15_000);
    expect(await answered).toBe(408);
  });

  it('SIG-06 RECV-11 checks the bytes that were sent, and answers them as a mount by fetch does', async () => {
    const event = JSON.stringify(occurrence('e1', { data: { text: '?' } }));
    const variants: Record<string, Uint8Array> = {
      'byte order mark': Buffer.from(`\uFEFF${event}`),
      'invalid UTF-8': Buffer.from(event).map((byte) => (byte === 0x3f ? 0xff : byte)),
      plain: Buffer.from(event),
    };
    for (const [what, bytes] of Object.entries(variants)) {
      const world = new ReceiverWorld();
      world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
      const signed = (url: string): Request => signedBytes(world, url, bytes);
      const origin = await serve(world);
      const byNode = await fetch(signed(`${origin}/hooks`));
      const again = new ReceiverWorld();
      again.receiver.register({ secret: secretA, id: 'sub_1', accept: again.accept });
      const byFetch = await again.receiver.handle(signed(`${origin}/hooks`));
      expect([what, byNode.status, world.received]).toEqual([what, byFetch.status, again.received]);
      expect(byNode.status).toBe(what === 'invalid UTF-8' ? 400 : 204);
    }
  });

  it('RECV-11 says what is wrong where a body parser stands in front', async () => {
    const world = new ReceiverWorld();
    world.receiver.register({ secret: secretA, id: 'sub_1', accept: world.accept });
    const handler = nodeHandler(world.receiver.handle);
    const server = createServer((incoming, outgoing) => {
      incoming.resume().on('end', () => handler(incoming, outgoing));
    });
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect((await send(origin, world, {})).status).toBe(500);
    expect(world.warnings).toEqual([expect.stringContaining('mount the receiver before what parses bodies')]);
  });
});

function signedBytes(world: ReceiverWorld, url: string, body: Uint8Array): Request {
  const timestampSeconds = world.clock.now() / 1000;
  const signature = signWebhook(decodeWebhookSecret(secretA), { id: 'msg_event_1', timestampSeconds, body });
  const { headers } = world.request({ headers: { 'webhook-signature': signature } });
  return new Request(url, { method: 'POST', headers, body: new Uint8Array(body) });
}
