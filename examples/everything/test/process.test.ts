import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { request } from './support/messages.ts';
import { RawClient, SECRET } from './support/rawClient.ts';
import { isSignedWith, Receiver } from './support/receiver.ts';
import { ServerProcess } from './support/serverProcess.ts';

/** Starting compiles the sources of the server anew. */
const timeout = 60_000;

describe('the process', { timeout }, () => {
  it('PUSH-13 DELIV-01 serves HTTP, and on SIGTERM ends streams with their final frame', async () => {
    const receiver = await Receiver.open();
    const server = new ServerProcess('--token', 'alice=s3cret', '--allow-callback-origin', receiver.origin);
    const started = await server.next();
    expect(started).toEqual({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/mcp$/), pid: server.pid });
    const client = new RawClient(fetch, started.url, 's3cret');
    const { cursor } = await client.poll('secret.topic', null, { arguments: { team: 'alice' } });
    const stream = await client.stream('secret.topic', { cursor, arguments: { team: 'alice' } });
    const { id } = await client.subscribe('secret.topic', receiver.origin, { arguments: { team: 'alice' } });
    await client.text('emit', { name: 'secret.topic', data: { team: 'alice', text: 'psst' } });
    expect((await stream.find('notifications/events/event')).params.data.text).toBe('psst');
    const posted = await receiver.next(id);
    expect(posted.body.data.text).toBe('psst');
    expect(isSignedWith(posted, SECRET)).toBe(true);
    expect((await client.as('wrong').post('events/list')).status).toBe(401);
    expect((await fetch(new URL('/elsewhere', started.url))).status).toBe(404);

    server.signal('SIGTERM');
    const messages = await stream.rest();
    expect(messages.at(-1)?.result).toMatchObject({ resultType: 'complete' });
    expect(messages.map(({ method }) => method)).not.toContain('notifications/cancelled');
    expect(await server.ended).toEqual({ code: 0, stderr: '' });
    expect(await server.next()).toBeUndefined();
  });

  it('serves stdio, where stdout carries the protocol alone', async () => {
    const server = new ServerProcess('--stdio', '--anonymous', 'alice', '--controls');
    const receive = async (matches: (message: any) => boolean): Promise<any> => {
      for (;;) {
        const message = await server.next();
        if (message === undefined) throw new Error('stdout ended');
        expect(message.jsonrpc).toBe('2.0');
        if (matches(message)) return message;
      }
    };
    server.write(request('discover', 'server/discover'));
    const { result } = await receive(({ id }) => id === 'discover');
    expect(result.capabilities.extensions['io.modelcontextprotocol/events']).toEqual({ listChanged: true });
    server.write(request('stream', 'events/stream', { name: 'secret.topic', arguments: { team: 'alice' } }));
    await receive(({ method }) => method === 'notifications/events/active');
    const data = { team: 'alice', text: 'psst' };
    server.write(request('emit', 'tools/call', { name: 'emit', arguments: { name: 'secret.topic', data } }));
    const { params } = await receive(({ method }) => method === 'notifications/events/event');
    expect(params).toMatchObject({ data, _meta: { 'io.modelcontextprotocol/subscriptionId': 'stream' } });
    server.write(request('restart', 'tools/call', { name: 'events_conformance_restart', arguments: {} }));
    const restart = await receive(({ id }) => id === 'restart');
    expect(restart.result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/^not available/) }],
    });

    server.signal('SIGTERM');
    const final = await receive(({ id }) => id === 'stream');
    expect(final.result).toMatchObject({
      resultType: 'complete',
      _meta: { 'io.modelcontextprotocol/subscriptionId': 'stream' },
    });
    expect(await server.ended).toEqual({ code: 0, stderr: '' });
  });

  it('refuses a port it cannot have, in one line', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void taken.close());
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const { code, stderr } = await new ServerProcess('--port', String(port)).ended;
    expect(stderr).toMatch(/^error: listen EADDRINUSE.*; choose another port with --port.*\n$/);
    expect(code).toBe(1);
  });

  it('ends when the client of stdio leaves', async () => {
    const server = new ServerProcess('--stdio');
    server.closeStdin();
    expect(await server.ended).toEqual({ code: 0, stderr: '' });
  });
});
