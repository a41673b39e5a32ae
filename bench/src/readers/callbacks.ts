import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { report, serve } from '../harness/child.ts';
import { RequestReader } from './requestReader.ts';

export interface Arrivals {
  readonly firstAtNs: string;
  readonly finishedAtNs: string;
  readonly latenciesMs: number[];
}

export interface Callbacks {
  /** Listens on every loopback address, for callbacks of many hosts. */
  listen(): Promise<{ port: number }>;
  /** Connections to these addresses are accepted and never answered from now on. */
  hang(addresses: readonly string[]): Promise<void>;
  /** Every so many-th request is answered with 503 from now on, and does not count as a delivery; 0 for none. */
  failEvery(requests: number): Promise<void>;
  /** Resolves when this many more deliveries have arrived. Every few thousand are reported meanwhile. */
  expect(options: { deliveries: number; latencies: boolean }): Promise<Arrivals>;
  /** The last delivery, as it came over the wire. */
  sample(): Promise<string>;
}

const FAILURE = Buffer.from('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n');
const ANSWER = Buffer.from('HTTP/1.1 204 No Content\r\n\r\n');

/** How a request begins that is never answered. */
const HANGING = Buffer.from('POST /hanging/');

/** Deliveries between two reports. */
const REPORT_EVERY = 500;

/** Where the author puts the time of an emit. */
const EMITTED_AT = /at:(\d+)/;

let hanging = new Set<string>();
let failEvery = 0;
let requests = 0;
let received = 0;
let expected = Infinity;
let finish: ((finishedAtNs: string) => void) | undefined;
let firstAtNs = '';
let latenciesMs: number[] | undefined;
let last: Buffer = Buffer.alloc(0);

function take(request: Buffer): void {
  last = request;
  if (received++ === 0) firstAtNs = String(process.hrtime.bigint());
  if (latenciesMs !== undefined) {
    const emittedAtNs = EMITTED_AT.exec(request.toString())?.[1];
    if (emittedAtNs !== undefined) latenciesMs.push(Number(process.hrtime.bigint() - BigInt(emittedAtNs)) / 1e6);
  }
  if (received === expected) finish?.(String(process.hrtime.bigint()));
  else if (received % REPORT_EVERY === 0) report(received);
}

function onConnection(socket: Socket): void {
  socket.on('error', () => {});
  if (hanging.has(socket.localAddress ?? '')) {
    socket.resume();
    return;
  }
  socket.setNoDelay(true);
  const reader = new RequestReader();
  socket.on('data', (chunk) => {
    const answers: Buffer[] = [];
    reader.read(chunk, (request) => {
      // Somebody else's callback at the same host.
      if (request.subarray(0, HANGING.length).equals(HANGING)) return;
      const fails = failEvery > 0 && ++requests % failEvery === 0;
      if (!fails) take(request);
      answers.push(fails ? FAILURE : ANSWER);
    });
    if (answers.length === 1) socket.write(answers[0] as Buffer);
    else if (answers.length > 1) socket.write(Buffer.concat(answers));
  });
}

serve<Callbacks>({
  listen: async () => {
    const server = createServer(onConnection);
    await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', 4_096, resolve));
    return { port: (server.address() as AddressInfo).port };
  },
  hang: async (addresses) => {
    hanging = new Set(addresses);
  },
  failEvery: async (count) => {
    failEvery = count;
  },
  expect: async ({ deliveries, latencies }) => {
    received = 0;
    expected = deliveries;
    latenciesMs = latencies ? [] : undefined;
    const finishedAtNs = await new Promise<string>((resolve) => (finish = resolve));
    return { firstAtNs, finishedAtNs, latenciesMs: latenciesMs ?? [] };
  },
  sample: async () => last.toString(),
});
