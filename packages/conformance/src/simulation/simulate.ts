import { checkHistory } from '../history/checkHistory.ts';
import type { Fact } from '../history/facts.ts';
import { readLogCursor } from '../history/positions.ts';
import type { ReadCursor } from '../history/positions.ts';
import type { Verdict } from '../history/verdict.ts';
import { checkedSource, filteredSource, matchedSource, Upstream } from './eventSources.ts';
import type { AuthorBehaviour, EventSource, Severity } from './eventSources.ts';
import { Network } from './network.ts';
import { PollSubscriber } from './pollSubscriber.ts';
import { PushSubscriber } from './pushSubscriber.ts';
import { Random } from './random.ts';
import { ServerProcess } from './serverProcess.ts';
import { settingsOf } from './settings.ts';
import type { Settings } from './settings.ts';
import { comesOfFault } from './simulatedFault.ts';
import type { Subscriber, SubscriberContext } from './subscriber.ts';
import { VirtualDisk } from './virtualDisk.ts';
import type { DiskBehaviour } from './diskStorage.ts';
import { VirtualTime } from './virtualTime.ts';
import { WebhookSubscriber } from './webhookSubscriber.ts';

export interface SimulationResult {
  readonly seed: number;
  readonly facts: readonly Fact[];
  readonly verdict: Verdict;
  /** What must not happen and is no matter of the history: unexpected errors and messages. */
  readonly complaints: readonly string[];
}

const START_MS = Date.parse('2026-01-01T00:00:00Z');

/** Longer than any retry waits. */
const LONG_MS = 400_000;

/** More than a schedule emits. */
const MOST_EMITS = 1_000;

/** Rounds in which everything owed has to arrive once there are no faults. */
const LAST_ROUNDS = 4;

/** Cursors of checked sources count what was skipped after the upstream's own. */
const CHECK_CURSOR = /^c(\d+)\.(\d+)$/;

const readCursor: ReadCursor = (cursor) => {
  const match = CHECK_CURSOR.exec(cursor);
  return match === null ? readLogCursor(cursor) : { epoch: 'upstream', position: Number(match[1]) + Number(match[2]) };
};

/** Runs the schedule of a seed, and judges it. The same seed gives the same facts. */
export async function simulate(seed: number): Promise<SimulationResult> {
  const simulation = new Simulation(seed);
  const { facts, complaints } = simulation;
  const onUnhandled = (error: unknown): void => {
    complaints.push(`nobody handled: ${error instanceof Error ? error.stack : String(error)}`);
  };
  process.on('unhandledRejection', onUnhandled);
  try {
    await simulation.run();
  } finally {
    process.off('unhandledRejection', onUnhandled);
  }
  return { seed, facts, complaints, verdict: checkHistory(facts, { readCursor }) };
}

class Simulation {
  readonly facts: Fact[] = [];
  readonly complaints: string[] = [];
  readonly #random: Random;
  readonly #settings: Settings;
  readonly #time = new VirtualTime(START_MS);
  readonly #disk = new VirtualDisk();
  readonly #diskBehaviour: DiskBehaviour;
  readonly #author: AuthorBehaviour = { latencyMs: 0, failure: 0 };
  readonly #network: Network;
  readonly #sources: readonly EventSource[];
  readonly #subscribers: readonly Subscriber[];
  #server: ServerProcess | undefined;
  #emits = 0;
  /** Emits whose outcome is not known. */
  readonly #unanswered = new Map<string, { readonly source: EventSource; readonly severity: Severity }>();

  constructor(seed: number) {
    const random = new Random(seed);
    this.#random = random;
    const settings = settingsOf(random);
    this.#settings = settings;
    this.#diskBehaviour = {
      writeMs: 0,
      readMs: 0,
      writeFailure: 0,
      readFailure: 0,
      readsAtOnce: settings.readsAtOnce,
    };
    this.#network = new Network(this.#time, random);
    const retention = { maxCount: settings.maxCount, maxAgeMs: 1e12 };
    this.#sources = [
      filteredSource(retention),
      matchedSource(retention, this.#author, random),
      checkedSource(new Upstream(settings.addressable, settings.pageSize), this.#author, random),
    ];
    const context: SubscriberContext = {
      time: this.#time,
      random,
      network: this.#network,
      record: (fact) => this.#record(fact),
      complain: (message) => this.complaints.push(message),
    };
    this.#subscribers = settings.subscribers.map(({ mode, ttlMs, ...wish }) => {
      if (mode === 'poll') return new PollSubscriber(wish, context);
      return mode === 'push' ? new PushSubscriber(wish, context) : new WebhookSubscriber(wish, context, ttlMs);
    });
  }

  async run(): Promise<void> {
    const random = this.#random;
    this.#start();
    await this.#time.settle();
    for (const subscriber of this.#subscribers) if (random.chance(0.7)) subscriber.act();
    await this.#time.settle();
    for (let step = 0; step < this.#settings.steps; step++) {
      await this.#step();
      if (random.chance(0.7)) await this.#time.settle();
    }
    await this.#recover();
    this.#server?.kill();
    this.#time.active();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    switch (random.weighted({ emit: 30, act: 25, wait: 20, suffer: 12, weather: 6, crash: 3, stop: 1 })) {
      case 'emit':
        for (let count = random.chance(0.2) ? random.int(2, 6) : 1; count > 0; count--) this.#emitNew();
        break;
      case 'act':
        random.pick(this.#subscribers).act();
        break;
      case 'wait':
        await this.#time.advance(random.pick([1, 20, 500, 6_000, 30_000, 90_000, 700_000]));
        break;
      case 'suffer':
        random.pick(this.#subscribers).suffer();
        break;
      case 'weather':
        this.#changeWeather();
        break;
      case 'crash':
        this.#crash();
        if (random.chance(0.5)) await this.#time.advance(random.pick([1, 500, 90_000]));
        this.#start();
        break;
      case 'stop':
        await this.#stop();
        this.#start();
        break;
    }
  }

  #changeWeather(): void {
    const random = this.#random;
    const isFine = random.chance(0.4);
    Object.assign(this.#diskBehaviour, {
      writeMs: isFine ? 0 : random.pick([0, 50, 2_000]),
      readMs: isFine ? 0 : random.pick([0, 50, 2_000]),
      writeFailure: isFine ? 0 : random.pick([0, 0.2, 1]),
      readFailure: isFine ? 0 : random.pick([0, 0.2]),
    });
    Object.assign(this.#network.behaviour, {
      latencyMs: isFine ? 0 : random.pick([0, 100, 5_000]),
      loss: isFine ? 0 : random.pick([0, 0.1, 0.3]),
      refusal: isFine ? 0 : random.pick([0, 0.3, 1]),
    });
    Object.assign(this.#author, {
      latencyMs: isFine ? 0 : random.pick([0, 100, 5_000]),
      failure: isFine ? 0 : random.pick([0, 0, 0.1]),
    });
  }

  #start(): void {
    const server: ServerProcess = new ServerProcess({
      time: this.#time,
      disk: this.#disk,
      diskBehaviour: this.#diskBehaviour,
      random: this.#random,
      sources: this.#sources,
      connect: () => this.#network.connect(() => server),
      options: this.#settings.options,
      onError: (error, stage) => this.#reported(server, error, stage),
    });
    this.#server = server;
    this.#network.server = server;
    this.#record({ fact: 'started', process: 'server', at: this.#time.nowMs });
    // An author who does not know whether an event was stored says it again, by the same id, or leaves it. An event that
    // retention has removed meanwhile would be another one.
    for (const [eventId, { source, severity }] of this.#unanswered) {
      this.#unanswered.delete(eventId);
      if (this.#retentionLasts && this.#random.chance(0.5)) this.#emit(source, eventId, severity);
    }
  }

  get #retentionLasts(): boolean {
    return this.#settings.maxCount > MOST_EMITS;
  }

  #crash(): void {
    this.#server?.kill();
    this.#gone();
    this.#record({ fact: 'killed', process: 'server', at: this.#time.nowMs });
  }

  async #stop(): Promise<void> {
    const server = this.#server;
    let closed = false;
    const closing = server?.events.close(this.#random.chance(0.5) ? { deadlineMs: 5_000 } : {});
    closing?.catch(() => {}).finally(() => (closed = true));
    this.#network.server = undefined;
    await this.#time.settle();
    for (let waits = 0; !closed && waits < 20; waits++) await this.#time.advance(2_000);
    if (!closed) this.complaints.push('close() does not come to an end');
    server?.kill();
    this.#gone();
  }

  #gone(): void {
    this.#server = undefined;
    this.#network.server = undefined;
    for (const subscriber of this.#subscribers) if (subscriber instanceof PushSubscriber) subscriber.onServerGone();
  }

  #emitNew(): void {
    const source = this.#random.pick(this.#sources);
    this.#emit(source, `e${++this.#emits}`, this.#random.pick(['high', 'low']));
  }

  #emit(source: EventSource, eventId: string, severity: Severity): void {
    const { name, upstream } = source;
    const server = this.#server;
    this.#record({ fact: 'emitting', type: name, eventId, values: { severity }, at: this.#time.nowMs });
    if (upstream !== undefined) {
      const position = upstream.add(eventId, severity, { now: () => this.#time.nowMs });
      this.#record({ fact: 'emitted', eventId, cursor: `c0.${position}` });
      return;
    }
    const handle = server?.handles.get(name);
    if (server === undefined || handle === undefined) return;
    this.#unanswered.set(eventId, { source, severity });
    handle.emit({ severity }, { eventId }).then(
      ({ cursor }) => {
        if (!server.alive) return;
        this.#unanswered.delete(eventId);
        this.#record({ fact: 'emitted', eventId, cursor: cursor ?? '', at: this.#time.nowMs });
      },
      () => {
        if (!server.alive) return;
        this.#unanswered.delete(eventId);
        this.#record({ fact: 'emitFailed', eventId, at: this.#time.nowMs });
      },
    );
  }

  /** No more faults: everything that is owed has to arrive now. */
  async #recover(): Promise<void> {
    Object.assign(this.#diskBehaviour, { writeMs: 0, readMs: 0, writeFailure: 0, readFailure: 0 });
    Object.assign(this.#network.behaviour, { latencyMs: 0, loss: 0, refusal: 0 });
    Object.assign(this.#author, { latencyMs: 0, failure: 0 });
    // What hangs is over by then.
    for (const subscriber of this.#subscribers) if (subscriber instanceof WebhookSubscriber) subscriber.recover();
    await this.#time.advance(120_000);
    for (let round = 0; round < LAST_ROUNDS; round++) {
      for (const subscriber of this.#subscribers) subscriber.recover();
      await this.#time.advance(LONG_MS);
    }
    for (const subscriber of this.#subscribers) subscriber.recover();
    await this.#time.advance(1_000);
    for (const subscriber of this.#subscribers) if (subscriber instanceof WebhookSubscriber) subscriber.finish();
    this.#record({ fact: 'settled', at: this.#time.nowMs });
  }

  #reported(server: ServerProcess, error: unknown, stage: string): void {
    if (comesOfFault(error) || !server.alive) return;
    this.complaints.push(`the server reported at ${stage}: ${error instanceof Error ? error.stack : String(error)}`);
  }

  #record(fact: Fact): void {
    this.#time.active();
    this.facts.push(fact);
  }
}
