import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { RECEIVER_DOCUMENT_PATH, receiverDocument } from '../src/receiver/index.ts';
import { challenge, occurrence, ReceiverWorld, secretA } from './receiverWorld.ts';

/** The least that connects Node.js' requests to a handler of the Fetch API. */
function mount(handle: (request: Request) => Response | Promise<Response>) {
  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const headers = new Headers();
    for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
      headers.append(incoming.rawHeaders[at]!, incoming.rawHeaders[at + 1]!);
    }
    const hasBody = incoming.method !== 'GET' && incoming.method !== 'HEAD';
    const response = await handle(
      new Request(new URL(incoming.url ?? '/', 'http://localhost'), {
        method: incoming.method,
        headers,
        body: hasBody ? Readable.toWeb(incoming) : undefined,
        duplex: 'half',
      } as RequestInit),
    );
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  };
  return (incoming: IncomingMessage, outgoing: ServerResponse): void => void answer(incoming, outgoing);
}

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
    mount((request) =>
      new URL(request.url).pathname === RECEIVER_DOCUMENT_PATH ? document(request) : world.receiver.handle(request),
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
      const more = (): void => {
        if (!posting.destroyed) posting.write(piece, more);
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
});
