import { connect } from 'node:net';
import { serve } from '../harness/child.ts';
import { EVENT_NAME } from '../servers/frames.ts';
import { httpText, mcpRequest } from './request.ts';
import { ResponseReader } from './responseReader.ts';

export interface PollPlan {
  readonly port: number;
  readonly method: string;
  /** Where every connection starts. */
  readonly cursor: string;
  readonly maxEvents: number;
  /** Requests of each connection; a drain ends earlier, with the first answer that says there is no more. */
  readonly requests: number;
}

export interface PollRound {
  readonly requestsPerSecond: number;
  readonly requests: number;
  /** Body of the first connection's first answer. */
  readonly sample: string;
}

export interface PollReaders {
  run(plan: PollPlan): Promise<PollRound>;
}

/** Enough that the server always has a request to answer. */
const CONNECTIONS = 16;

/** Where the members after the events are. */
const TAIL_BYTES = 600;

const RESULT_TAIL = /"cursor":"([^"]+)","truncated":(true|false),"hasMore":(true|false)/;

const buffer = Buffer.allocUnsafe(256 * 1024);

/** One connection that polls again as soon as it has an answer. Resolves to the number of its requests. */
function pollOn(plan: PollPlan, onSample: (text: string) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    let { cursor } = plan;
    let requests = 0;
    let tail = '';
    const poll = (): void => {
      const params = { name: EVENT_NAME, cursor, maxEvents: plan.maxEvents };
      socket.write(httpText(mcpRequest(100_000 + requests++, plan.method, params)));
    };
    const reader = new ResponseReader({
      onBody: (chunk, start, end) => {
        if (requests === 1) onSample(chunk.toString('latin1', start, end));
        tail = (tail + chunk.toString('latin1', Math.max(start, end - TAIL_BYTES), end)).slice(-TAIL_BYTES);
      },
      onEnd: () => {
        const [, next, truncated, hasMore] = RESULT_TAIL.exec(tail) ?? [];
        if (next === undefined || truncated === 'true') throw new Error(`not the expected answer: ${tail}`);
        cursor = next;
        if (requests < plan.requests && (hasMore === 'true' || plan.cursor === next)) poll();
        else {
          socket.destroy();
          resolve(requests);
        }
      },
    });
    const onread = {
      buffer,
      callback: (bytes: number) => {
        reader.read(buffer, bytes);
        return true;
      },
    };
    const socket = connect({ port: plan.port, host: '127.0.0.1', onread });
    socket.once('error', reject);
    poll();
  });
}

serve<PollReaders>({
  run: async (plan) => {
    let sample = '';
    const startNs = process.hrtime.bigint();
    const connections = Array.from({ length: CONNECTIONS }, (_, index) =>
      pollOn(plan, (text) => {
        if (index === 0) sample += text;
      }),
    );
    const requests = (await Promise.all(connections)).reduce((sum, count) => sum + count, 0);
    const elapsedUs = Number(process.hrtime.bigint() - startNs) / 1_000;
    return { requestsPerSecond: (requests / elapsedUs) * 1e6, requests, sample };
  },
});
