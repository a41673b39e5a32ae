import { afterEach, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { TestServer } from './kit/httpServer.ts';
import { StdioTestServer } from './kit/stdioServer.ts';

const payload = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

it('PUSH-02 PUSH-06 confirms a stream before its events and resumes it from a cursor', async () => {
  const server = new TestServer();
  open.push(server);
  const counted = server.events.define('counted', { payload });
  const stream = await server.stream('counted');
  await counted.emit({ n: 1 });
  await counted.emit({ n: 2 });
  const [active, first, second] = await stream.take(3);
  expect(active?.method).toBe('notifications/events/active');
  expect([first?.params.data.n, second?.params.data.n]).toEqual([1, 2]);
  const resumed = await server.stream('counted', { cursor: first?.params.cursor });
  expect((await resumed.take(2)).map((message) => message.params.data?.n)).toEqual([undefined, 2]);
});

it('PUSH-03 keeps two streams on stdio apart by value and type of their id', async () => {
  const server = new StdioTestServer();
  open.push(server);
  const counted = server.events.define('counted', { payload });
  await server.request(7, 'events/stream', { name: 'counted' });
  await server.request('7', 'events/stream', { name: 'counted' });
  await counted.emit({ n: 1 });
  await settle();
  expect(server.of(7).map(({ method }) => method)).toEqual([
    'notifications/events/active',
    'notifications/events/event',
  ]);
  expect(server.of('7').map(({ method }) => method)).toEqual(server.of(7).map(({ method }) => method));
  await server.cancel('7');
  await counted.emit({ n: 2 });
  await settle();
  expect(server.of('7')).toHaveLength(2);
  expect(server.of(7)).toHaveLength(3);
});
