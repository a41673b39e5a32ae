import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { Certificate } from './certificate.ts';

/** A server on a free port of 127.0.0.1. */
export interface Listener {
  readonly origin: string;
  readonly port: number;
  close(): Promise<void>;
}

type FetchHandler = (request: Request) => Promise<Response>;

/** Serves a handler of web-standard requests, over https if there is a certificate. */
export async function listen(handle: FetchHandler, certificate?: Certificate): Promise<Listener> {
  const scheme = certificate === undefined ? 'http' : 'https';
  const onRequest: RequestListener = (incoming, outgoing) => {
    answer(handle, `${scheme}://${incoming.headers.host}`, incoming, outgoing).catch((error: unknown) => {
      console.error(error);
      outgoing.destroy();
    });
  };
  const server =
    certificate === undefined
      ? createHttpServer(onRequest)
      : createHttpsServer({ key: certificate.key, cert: certificate.certificate }, onRequest);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { origin: `${scheme}://127.0.0.1:${port}`, port, close };
}

async function answer(
  handle: FetchHandler,
  origin: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const { method = 'GET', url = '/' } = incoming;
  const headers = Object.entries(incoming.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  const body = method === 'GET' ? undefined : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>);
  const request = new Request(new URL(url, origin), { method, headers, body, duplex: 'half' } as RequestInit);
  const response = await handle(request);
  outgoing.writeHead(response.status, [...response.headers].flat());
  outgoing.end(Buffer.from(await response.arrayBuffer()));
}
