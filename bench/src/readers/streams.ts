import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { report, serve } from '../harness/child.ts';
import { EVENT_NAME, FIRST_ID } from '../servers/frames.ts';
import { httpText, mcpRequest } from './request.ts';
import { ResponseReader } from './responseReader.ts';

export interface StreamReaders {
  /** Opens streams; resolves when all are confirmed. */
  open(options: { port: number; count: number; firstId: number }): Promise<void>;
  /** Counts from here on; every stream has to get this many bytes. */
  expect(options: { bytes: number }): Promise<void>;
  /** Resolves when every stream has got what it was told to expect. */
  finish(): Promise<{ finishedAtNs: string }>;
  /** Opens one more stream after a cursor; resolves when it has got this many bytes. It counts for nothing else. */
  drain(options: {
    port: number;
    cursor: string;
    bytes: number;
  }): Promise<{ startedAtNs: string; finishedAtNs: string }>;
  stall(): Promise<void>;
  sample(): Promise<string>;
}

interface Stream {
  readonly socket: Socket;
  bytes: number;
}

/** Often enough that the author's window never closes while readers keep up, seldom enough to cost nothing. */
const REPORT_MS = 5;

/** Streams that are opened at the same time. */
const CONCURRENCY = 32;

/** A round takes a few seconds; when it does not end, events were lost. */
const ROUND_LIMIT_MS = 90_000;

// One buffer for all sockets: what a read puts there is dealt with before the next.
const buffer = Buffer.allocUnsafe(256 * 1024);
const streams: Stream[] = [];
let sample = '';
let expectedBytes = Infinity;
let deliveredBytes = 0;
let unfinished = 0;
let settle: (() => void) | undefined;
let finished = Promise.resolve();

function received(stream: Stream, bytes: number): void {
  const before = stream.bytes;
  stream.bytes += bytes;
  deliveredBytes += bytes;
  if (before < expectedBytes && stream.bytes >= expectedBytes && --unfinished === 0) settle?.();
}

function openStream(port: number, id: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const reader = new ResponseReader({
      onBody: (chunk, start, end) => {
        if (streams[0] === stream && sample.length < 4_096) sample += chunk.toString('latin1', start, end);
        received(stream, end - start);
        resolve();
      },
      onEnd: () => {
        throw new Error('a stream ended');
      },
    });
    const onread = {
      buffer,
      callback: (bytes: number) => {
        reader.read(buffer, bytes);
        return true;
      },
    };
    const socket = connect({ port, host: '127.0.0.1', onread });
    const stream: Stream = { socket, bytes: 0 };
    streams.push(stream);
    socket.once('error', reject);
    socket.write(httpText(mcpRequest(id, 'events/stream', { name: EVENT_NAME })));
  });
}

function drainStream(port: number, cursor: string, bytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let missing = bytes;
    const reader = new ResponseReader({
      onBody: (_chunk, start, end) => {
        missing -= end - start;
        if (missing > 0) return;
        socket.destroy();
        resolve(String(process.hrtime.bigint()));
      },
      onEnd: () => reject(new Error('the stream ended')),
    });
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.on('data', (chunk) => reader.read(chunk, chunk.length));
    socket.write(httpText(mcpRequest(FIRST_ID, 'events/stream', { name: EVENT_NAME, cursor })));
  });
}

serve<StreamReaders>({
  open: async ({ port, count, firstId }) => {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) await openStream(port, firstId + next++);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  },
  expect: async ({ bytes }) => {
    expectedBytes = bytes;
    deliveredBytes = 0;
    unfinished = streams.length;
    for (const stream of streams) stream.bytes = 0;
    finished = new Promise((resolve) => (settle = resolve));
  },
  finish: async () => {
    const reports = setInterval(() => report(deliveredBytes), REPORT_MS);
    const limit = setTimeout(() => {
      const least = Math.min(...streams.map((stream) => stream.bytes));
      throw new Error(`${unfinished} streams are incomplete; the least has ${least} of ${expectedBytes} bytes`);
    }, ROUND_LIMIT_MS);
    await finished;
    const finishedAtNs = String(process.hrtime.bigint());
    clearInterval(reports);
    clearTimeout(limit);
    return { finishedAtNs };
  },
  drain: async ({ port, cursor, bytes }) => {
    const startedAtNs = String(process.hrtime.bigint());
    return { startedAtNs, finishedAtNs: await drainStream(port, cursor, bytes) };
  },
  stall: async () => {
    streams.shift()?.socket.pause();
  },
  sample: async () => {
    const frame = sample.split('\n\n').find((text) => text.includes('"eventId"'));
    if (frame === undefined) throw new Error(`no event was received: ${sample}`);
    return frame;
  },
});
