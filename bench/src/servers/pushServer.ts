import type { AddressInfo, Server } from 'node:net';
import { serve, startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import type { StreamReaders } from '../readers/streams.ts';
import { emitAll, textFor } from './author.ts';
import type { BenchData } from './author.ts';
import { bytesOnStream, FIRST_ID } from './frames.ts';
import { settledMemory } from './memory.ts';
import type { Memory } from './memory.ts';

/** One implementation of push, as the harness drives it. */
export interface PushTarget {
  readonly server: Server;
  emit(data: BenchData): Promise<unknown>;
}

export interface StartOptions {
  /** Size of `data` in every event. */
  readonly dataBytes: number;
}

export interface EmissionPlan {
  readonly events: number;
  readonly burst: number;
  /** See `emitAll`. */
  readonly together?: boolean;
}

export interface PushRound {
  /** Deliveries per second over all streams, until the last stream has the last event. */
  readonly deliveriesPerSecond: number;
  /** CPU time of the server process, author's part included. */
  readonly cpuUsPerDelivery: number;
  /** CPU time of the server process to elapsed time; well below 1 means that something else was the bottleneck. */
  readonly cpuShare: number;
  /** Largest resident set seen during the round. */
  readonly peakRssBytes: number;
}

export interface PushServer {
  start(options: StartOptions): Promise<void>;
  /** Opens this many more streams. */
  open(count: number): Promise<void>;
  round(plan: EmissionPlan): Promise<PushRound>;
  /** Lets the first stream go unread from now on; it does not count any more. */
  stall(): Promise<void>;
  /** The first event frame of a stream, to compare implementations. */
  sample(): Promise<string>;
  memory(): Promise<Memory>;
}

/**
 * Events the author may be ahead of the average reader. Less than the 10,000 events of the default retention, so that
 * no stream loses events and all of them can be counted; far more than fits between two reports of the readers.
 */
const WINDOW_EVENTS = 8_000;

/** Runs an implementation as a server process, with its readers in a process of their own. */
export function servePush(create: () => PushTarget | Promise<PushTarget>): void {
  let target: PushTarget | undefined;
  let readers: Child<StreamReaders> | undefined;
  let opened = 0;
  /** Streams that are read. */
  let streams = 0;
  let dataBytes = 0;
  let emittedBefore = 0;
  let deliveredBytes = 0;
  let wake: (() => void) | undefined;

  const started = (): { target: PushTarget; readers: Child<StreamReaders> } => {
    if (target === undefined || readers === undefined) throw new Error('start first');
    return { target, readers };
  };

  serve<PushServer>({
    start: async (options) => {
      target = await create();
      ({ dataBytes } = options);
      const { server } = target;
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1024, resolve));
      readers = startChild<StreamReaders>('readers/streams', {
        onReport: (bytes) => {
          deliveredBytes = bytes as number;
          wake?.();
        },
      });
    },
    open: async (count) => {
      const { port } = started().target.server.address() as AddressInfo;
      await started().readers.call('open', { port, count, firstId: FIRST_ID + opened });
      opened += count;
      streams += count;
    },
    stall: async () => {
      await started().readers.call('stall');
      streams--;
    },
    sample: async () => started().readers.call('sample'),
    memory: settledMemory,
    round: async ({ events, burst, together }) => {
      const { target: push, readers: reading } = started();
      const bytes = bytesOnStream(emittedBefore, events, dataBytes);
      const frameBytes = bytes / events;
      deliveredBytes = 0;
      await reading.call('expect', { bytes });
      const finished = reading.call('finish');
      let peakRssBytes = 0;
      const cpuBefore = process.cpuUsage();
      const startNs = process.hrtime.bigint();
      await emitAll({
        count: events,
        burst,
        together,
        first: emittedBefore,
        text: textFor(dataBytes),
        emit: (data) => push.emit(data),
        pace: (emitted) => {
          if (emitted % (burst * 16) === 0) peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss());
          const behind = emitted * frameBytes - deliveredBytes / streams;
          if (behind <= WINDOW_EVENTS * frameBytes) return undefined;
          return new Promise((resolve) => (wake = resolve));
        },
      });
      emittedBefore += events;
      // The clock of `hrtime` is the same for all processes of a machine.
      const elapsedUs = Number(BigInt((await finished).finishedAtNs) - startNs) / 1_000;
      const cpu = process.cpuUsage(cpuBefore);
      const cpuUs = cpu.user + cpu.system;
      const deliveries = events * streams;
      return {
        deliveriesPerSecond: (deliveries / elapsedUs) * 1e6,
        cpuUsPerDelivery: cpuUs / deliveries,
        cpuShare: cpuUs / elapsedUs,
        peakRssBytes,
      };
    },
  });
}
