import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { TcpProxy } from '../src/faults/tcpProxy.ts';

/** A proxy in front of a server that does as told with each connection. */
async function world(onConnection: (socket: Socket) => void): Promise<TcpProxy> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = await TcpProxy.listen();
  proxy.targetPort = (server.address() as AddressInfo).port;
  onTestFinished(() => {
    proxy.close();
    server.close();
  });
  return proxy;
}

/** Connects, and resolves with everything that came when the connection is over. */
function read(proxy: TcpProxy): { socket: Socket; all: Promise<{ text: string; error: string | undefined }> } {
  const socket = connect(proxy.port, '127.0.0.1');
  let text = '';
  let error: string | undefined;
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('error', (failure: NodeJS.ErrnoException) => (error = failure.code));
  return { socket, all: new Promise((resolve) => socket.once('close', () => resolve({ text, error }))) };
}

it('carries everything in its order, also when a delay begins and ends in the middle', async () => {
  const numbers = Array.from({ length: 200 }, (_, n) => `${n};`);
  const write = async (socket: Socket): Promise<void> => {
    for (const number of numbers) {
      socket.write(number);
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (number === '50;' || number === '70;') proxy.begin({ kind: 'delay', delayMs: 5 });
      if (number === '60;' || number === '90;') await proxy.heal();
    }
    socket.end();
  };
  const proxy = await world((socket) => void write(socket));
  expect(await read(proxy).all).toEqual({ text: numbers.join(''), error: undefined });
});

it('ends a connection in the middle of what is answered', async () => {
  const proxy = await world((socket) => socket.end('0123456789'));
  proxy.begin({ kind: 'truncate', afterBytes: 4 });
  expect(await read(proxy).all).toEqual({ text: '0123', error: undefined });
  await proxy.heal();
  expect(await read(proxy).all).toEqual({ text: '0123456789', error: undefined });
});

it('refuses and resets connections, and takes them again on the same port', async () => {
  const proxy = await world((socket) => socket.write('hello'));
  const open = read(proxy);
  await new Promise((resolve) => open.socket.once('data', resolve));
  proxy.begin({ kind: 'refuse' });
  expect((await read(proxy).all).error).toBe('ECONNREFUSED');
  proxy.begin({ kind: 'reset' });
  expect(await open.all).toEqual({ text: 'hello', error: 'ECONNRESET' });
  await proxy.heal();
  const again = read(proxy);
  await new Promise((resolve) => again.socket.once('data', resolve));
  again.socket.destroy();
});

it('lets nothing pass while it hangs, and everything afterwards', async () => {
  const proxy = await world((socket) => socket.end('hello'));
  proxy.begin({ kind: 'hang', thenCut: false });
  const reader = read(proxy);
  await new Promise((resolve) => reader.socket.once('connect', resolve));
  await proxy.heal();
  expect(await reader.all).toEqual({ text: 'hello', error: undefined });
});
