import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openSqliteStorage } from '@mcp-events/sqlite';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { serve, startChild } from '../harness/child.ts';
import { mcpRequest } from '../readers/request.ts';
import type { StreamReaders } from '../readers/streams.ts';
import { emitAll, textFor } from './author.ts';
import type { BenchData } from './author.ts';
import { createEvents } from './eventsServer.ts';
import { bytesOnStream, EVENT_NAME, FIRST_ID } from './frames.ts';
import { temporaryFile } from './temporaryFile.ts';

export interface Pace {
  readonly eventsPerSecond: number;
  readonly seconds: number;
}

export interface CatchUpServer {
  /** Stores events and opens streams that follow what comes. */
  start(options: { events: number; streams: number }): Promise<void>;
  /** Events per second to those streams, from a source of this pace. */
  paced(pace: Pace): Promise<number>;
  /** Events per second on a stream that follows, as fast as it goes. */
  live(plan: { events: number; burst: number }): Promise<number>;
  /** Events per second on a stream that begins with the first event, while the others follow a source of this pace. */
  drain(pace: Pace): Promise<{ drained: number; followed: number }>;
}

const DATA_BYTES = 200;
const TICK_MS = 5;

const retention = { maxAgeMs: 30 * 86_400_000, maxCount: 10_000_000, maxBytes: 1e12 };
const storage = await openSqliteStorage({ file: temporaryFile() });
const { handler, handle } = createEvents({ retention }, { storage });
const node = toNodeHandler(handler);
const server = createServer((request, response) => void node(request, response));
const readers = startChild<StreamReaders>('readers/streams');
const drainer = startChild<StreamReaders>('readers/streams');
const text = textFor(DATA_BYTES);
let emitted = 0;

async function firstCursor(): Promise<string> {
  const params = { name: EVENT_NAME, cursor: null };
  const request = new Request('http://127.0.0.1/mcp', { method: 'POST', ...mcpRequest(1, 'events/poll', params) });
  const answer = await (await handler.fetch(request)).text();
  const epoch = /"cursor":"(\w+)\./.exec(answer)?.[1];
  if (epoch === undefined) throw new Error(`no cursor: ${answer}`);
  return `${epoch}.0`;
}

const port = (): number => (server.address() as AddressInfo).port;

function secondsBetween(startNs: bigint, endNs: string): number {
  return Number(BigInt(endNs) - startNs) / 1e9;
}

function emitMany(count: number, burst: number): Promise<void> {
  const first = emitted;
  emitted += count;
  const emit = (data: BenchData): Promise<unknown> => handle.emit(data);
  return emitAll({ count, burst, together: true, first, text, emit, pace: () => undefined });
}

async function paced({ eventsPerSecond, seconds }: Pace): Promise<number> {
  const events = eventsPerSecond * seconds;
  await readers.call('expect', { bytes: bytesOnStream(emitted, events, DATA_BYTES) });
  const finished = readers.call('finish');
  const startNs = process.hrtime.bigint();
  for (let done = 0; done < events;) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    // What is due by now, so that a loop that is held up makes the events late and not fewer.
    const due = Math.min(events, Math.floor((Number(process.hrtime.bigint() - startNs) / 1e9) * eventsPerSecond));
    if (due > done) await emitMany(due - done, due - done);
    done = due;
  }
  return events / secondsBetween(startNs, (await finished).finishedAtNs);
}

serve<CatchUpServer>({
  start: async ({ events, streams }) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await emitMany(events, 500);
    await readers.call('open', { port: port(), count: streams, firstId: FIRST_ID });
  },
  paced,
  live: async ({ events, burst }) => {
    await readers.call('expect', { bytes: bytesOnStream(emitted, events, DATA_BYTES) });
    const finished = readers.call('finish');
    const startNs = process.hrtime.bigint();
    await emitMany(events, burst);
    return events / secondsBetween(startNs, (await finished).finishedAtNs);
  },
  drain: async (pace) => {
    const events = emitted;
    const cursor = await firstCursor();
    const following = paced(pace);
    const draining = drainer.call('drain', { port: port(), cursor, bytes: bytesOnStream(0, events, DATA_BYTES) });
    const [followed, { startedAtNs, finishedAtNs }] = await Promise.all([following, draining]);
    return { drained: events / secondsBetween(BigInt(startedAtNs), finishedAtNs), followed };
  },
});
