import { serve, startChild } from '../harness/child.ts';
import type { Child } from '../harness/child.ts';
import type { Callbacks } from '../readers/callbacks.ts';
import { benchData, emitAll, textFor } from './author.ts';
import type { BenchData } from './author.ts';
import { settledMemory } from './memory.ts';
import type { Memory } from './memory.ts';
import type { EmissionPlan } from './pushServer.ts';

/** One implementation of webhook delivery, as the harness drives it. */
export interface WebhookTarget {
  /** @param principal of the subscriber; one for all unless it is given */
  subscribe(url: string, principal?: string): Promise<void>;
  emit(data: BenchData): Promise<unknown>;
}

export interface WebhookStart {
  /** Size of `data` in every event. */
  readonly dataBytes: number;
  /** Loopback addresses the callbacks are spread over. */
  readonly hosts: number;
  /** Of these, how many never answer, and at how many nobody listens. The last ones. */
  readonly hanging?: number;
  readonly refusing?: number;
  /** Every so many-th request is answered with 503, and comes again soon. */
  readonly failEvery?: number;
  /** Principals of their own whose callbacks are at the first of the hosts, and never answer. */
  readonly hangingPrincipals?: number;
  /** Sends each subscription one delivery at a time. */
  readonly ordered?: boolean;
}

export interface WebhookRound {
  /** Deliveries per second to callbacks that answer, until the last of them has the last event. */
  readonly deliveriesPerSecond: number;
  /** CPU time of the server process per delivery, author's part included. */
  readonly cpuUsPerDelivery: number;
  readonly cpuShare: number;
}

export interface WebhookServer {
  start(options: WebhookStart): Promise<void>;
  /** Makes this many more subscriptions. */
  subscribe(count: number): Promise<void>;
  /** As fast as it goes. */
  round(plan: EmissionPlan): Promise<WebhookRound>;
  /** One event every so many milliseconds: the 99th percentile of the time from `emit` to arrival. */
  paced(plan: { events: number; everyMs: number }): Promise<{ p99Ms: number; medianMs: number }>;
  /** The last delivery on the wire. */
  sample(): Promise<string>;
  memory(): Promise<Memory>;
}

/** Events the author may be ahead of the average callback: less than retention, so that nothing is lost. */
const WINDOW_EVENTS = 4_000;

/** A port at which nobody listens. */
const CLOSED_PORT = 9;

export function addressOf(host: number): string {
  return `127.0.${1 + Math.floor(host / 250)}.${1 + (host % 250)}`;
}

/** Runs an implementation as a server process, with its receivers in a process of their own. */
export function serveWebhooks(
  create: (origins: readonly string[], options: WebhookStart) => WebhookTarget | Promise<WebhookTarget>,
): void {
  let target: WebhookTarget;
  let receivers: Child<Callbacks>;
  let origins: string[] = [];
  let dataBytes = 0;
  let answering = 0;
  let subscribed = 0;
  let answeringSubscriptions = 0;
  let emittedBefore = 0;
  let received = 0;
  let wake: (() => void) | undefined;

  serve<WebhookServer>({
    start: async (options) => {
      const { hosts, hanging = 0, refusing = 0 } = options;
      ({ dataBytes } = options);
      receivers = startChild<Callbacks>('readers/callbacks', {
        onReport: (count) => {
          received = count as number;
          wake?.();
        },
      });
      const { port } = await receivers.call('listen');
      answering = hosts - hanging - refusing;
      origins = Array.from(
        { length: hosts },
        (_, host) => `http://${addressOf(host)}:${host < hosts - refusing ? port : CLOSED_PORT}`,
      );
      await receivers.call(
        'hang',
        Array.from({ length: hanging }, (_, index) => addressOf(answering + index)),
      );
      await receivers.call('failEvery', options.failEvery ?? 0);
      target = await create(origins, options);
      for (let principal = 0; principal < (options.hangingPrincipals ?? 0); principal++) {
        await target.subscribe(`${origins[0]}/hanging/${principal}`, `hanging${principal}`);
      }
    },
    subscribe: async (count) => {
      const end = subscribed + count;
      for (; subscribed < end; subscribed++) {
        const host = subscribed % origins.length;
        await target.subscribe(`${origins[host]}/callbacks/${subscribed}`);
        if (host < answering) answeringSubscriptions++;
      }
    },
    round: async ({ events, burst, together }) => {
      received = 0;
      const deliveries = events * answeringSubscriptions;
      const finished = receivers.call('expect', { deliveries, latencies: false });
      const cpuBefore = process.cpuUsage();
      const startNs = process.hrtime.bigint();
      await emitAll({
        count: events,
        burst,
        together,
        first: emittedBefore,
        text: textFor(dataBytes),
        emit: (data) => target.emit(data),
        pace: (emitted) => {
          if (emitted - received / answeringSubscriptions <= WINDOW_EVENTS) return undefined;
          return new Promise((resolve) => (wake = resolve));
        },
      });
      emittedBefore += events;
      const elapsedUs = Number(BigInt((await finished).finishedAtNs) - startNs) / 1_000;
      const cpu = process.cpuUsage(cpuBefore);
      const cpuUs = cpu.user + cpu.system;
      return {
        deliveriesPerSecond: (deliveries / elapsedUs) * 1e6,
        cpuUsPerDelivery: cpuUs / deliveries,
        cpuShare: cpuUs / elapsedUs,
      };
    },
    paced: async ({ events, everyMs }) => {
      const finished = receivers.call('expect', { deliveries: events * answeringSubscriptions, latencies: true });
      for (let emitted = 0; emitted < events; emitted++) {
        const at = `at:${process.hrtime.bigint()} `;
        await target.emit(benchData(emittedBefore++, at.padEnd(textFor(dataBytes).length, 'x')));
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
      const sorted = (await finished).latenciesMs.toSorted((a, b) => a - b);
      const percentile = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
      return { p99Ms: percentile(0.99), medianMs: percentile(0.5) };
    },
    sample: async () => receivers.call('sample'),
    memory: settledMemory,
  });
}
