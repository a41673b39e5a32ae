import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { expect, it } from 'vitest';
import { EventsClient, eventsClientCapabilities } from '../src/index.ts';
import { FakeClock } from './support/fakeClock.ts';
import { until } from './support/httpServer.ts';
import { noJitter, Reader } from './support/world.ts';

const script = fileURLToPath(new URL('./support/stdioServer.mjs', import.meta.url));

it('PUSH-19 all streams come back, from their cursors, after the stdio server process was killed', async () => {
  const transports: StdioClientTransport[] = [];
  const clock = new FakeClock();
  const events = new EventsClient(
    async () => {
      const client = new Client(
        { name: 'test', version: '1.0.0' },
        { versionNegotiation: { mode: 'auto' }, capabilities: eventsClientCapabilities },
      );
      const transport = new StdioClientTransport({ command: process.execPath, args: [script] });
      transports.push(transport);
      await client.connect(transport);
      return client;
    },
    { clock, random: noJitter },
  );
  const readers: Reader[] = [];
  for (const n of [1, 2, 3]) readers.push(new Reader(await events.subscribe('tick', { n })));
  await until(() => readers.every(({ ids }) => ids.length === 1));
  process.kill(transports[0]!.pid!, 'SIGKILL');
  await until(() => events.subscriptions.every(({ status }) => status.state === 'waiting'));
  await clock.advance(1_000);
  await until(() => readers.every(({ ids }) => ids.length === 2));
  expect(readers.map(({ ids }) => ids)).toEqual(Array.from({ length: 3 }, () => ['e1', 'e2']));
  expect(transports).toHaveLength(2);
  const pids = new Set(readers.map(({ events: received }) => (received[1]!.data as { pid: number }).pid));
  expect([...pids]).toEqual([transports[1]!.pid]);
  await events.close();
  expect(transports[1]!.pid).toBeNull();
}, 60_000);
