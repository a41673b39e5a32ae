import { dataHash } from '../history/dataHash.ts';
import { checkHistory } from '../history/checkHistory.ts';
import type { Fact } from '../history/facts.ts';
import type { Verdict } from '../history/verdict.ts';
import { readCursor } from './cursors.ts';
import { checkedSource, filteredSource, matchedSource, Upstream } from './eventSources.ts';
import type { AuthorBehaviour, EventSource, Severity } from './eventSources.ts';
import { Network } from './network.ts';
import { PollSubscriber } from './pollSubscriber.ts';
import { PushSubscriber } from './pushSubscriber.ts';
import { Random } from './random.ts';
import { openDisk } from './serverEngine.ts';
import { ServerProcess } from './serverProcess.ts';
import { settingsOf } from './settings.ts';
import type { Settings } from './settings.ts';
import { comesOfFault } from './simulatedFault.ts';
import type { Subscriber, SubscriberContext } from './subscriber.ts';
import { VirtualDisk } from './virtualDisk.ts';
import type { DiskBehaviour } from './diskStorage.ts';
import { ProcessClock, TimeOfDay, VirtualTime } from './virtualTime.ts';
import { logOfWaiting } from './waitingForClients.ts';
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

/** After a fault that concerns everybody it takes so long until all that it delayed has arrived. */
const QUIET_MS = 900_000;

/** Rounds in which everything owed has to arrive once there are no faults. */
const LAST_ROUNDS = 4;

export interface SimulateOptions {
  /**
   * Whether clocks are set and events have data of their own. Without, schedules are what they were when the first
   * mistakes were found by them. Default: true.
   */
  readonly clocks?: boolean;
}

/** Runs the schedule of a seed, and judges it. The same seed gives the same facts. */
export async function simulate(seed: number, { clocks = true }: SimulateOptions = {}): Promise<SimulationResult> {
  const simulation = new Simulation(seed, clocks);
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
  /** Decides on clocks alone, so that the rest of a schedule is the same with and without. */
  readonly #clockRandom: Random | undefined;
  readonly #time = new VirtualTime(START_MS);
  readonly #serverTime = new TimeOfDay(this.#time);
  readonly #disk = new VirtualDisk();
  readonly #diskBehaviour: DiskBehaviour;
  readonly #author: AuthorBehaviour = {
    latencyMs: 0,
    failure: 0,
    onFailure: (type, principal) => {
      const who = principal === undefined ? {} : { principal };
      this.#record({ fact: 'lossCause', why: 'author', type, ...who, at: this.#time.nowMs });
    },
  };
  readonly #network: Network;
  readonly #sources: readonly EventSource[];
  readonly #subscribers: readonly Subscriber[];
  #server: ServerProcess | undefined;
  #emits = 0;
  /** Emits whose outcome is not known. */
  readonly #unanswered = new Map<string, { readonly source: EventSource; readonly severity: Severity }>();
  #isFine = true;
  /** Of faults that concern everybody. */
  #latestFaultMs = -Infinity;
  #isCalm = false;

  constructor(seed: number, clocks: boolean) {
    const random = new Random(seed);
    this.#clockRandom = clocks ? new Random(seed + 0.5 * 2 ** 32) : undefined;
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
    this.#network.onRefused = (subscription) => {
      this.#record({ fact: 'lossCause', subscription, why: 'connection refused', at: this.#time.nowMs });
      this.#record({ fact: 'disturbed', subscription, at: this.#time.nowMs });
    };
    const retention = { maxCount: settings.maxCount, maxAgeMs: 1e12 };
    this.#sources = [
      filteredSource(retention),
      matchedSource(retention, this.#author, random),
      checkedSource(new Upstream(settings.addressable, settings.pageSize), this.#author, random),
    ];
    const context: SubscriberContext = {
      time: this.#time,
      serverTime: this.#serverTime,
      random,
      network: this.#network,
      record: (fact) => this.#record(fact),
      complain: (message) => this.complaints.push(message),
    };
    this.#subscribers = settings.subscribers.map(({ mode, ttlMs, ...wish }) => {
      if (mode === 'poll') return new PollSubscriber(wish, context);
      return mode === 'push'
        ? new PushSubscriber(wish, context)
        : new WebhookSubscriber(wish, context, ttlMs, settings.rules);
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
    this.#setClock();
    this.#calmDown();
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

  /** The server's time of day jumps, or goes wrong by itself; timers do not notice. */
  #setClock(): void {
    const random = this.#clockRandom;
    if (random === undefined || !random.chance(0.06)) return;
    const jumpsMs = [0, 0, -3_600_000, -600_000, -20_000, 20_000, 600_000, 3_600_000];
    this.#serverTime.set(random.pick(jumpsMs), random.pick([0, 0, 0.01, -0.01]));
    this.#recordClock();
    this.#disturb('clock');
  }

  #recordClock(): void {
    this.#record({
      fact: 'clockSet',
      process: 'server',
      // It may have been further ahead before the next fact that tells it.
      offsetMs: Math.max(this.#serverTime.offsetMs, 0),
      at: this.#time.nowMs,
    });
  }

  /** Something concerns everybody. */
  #disturb(why: string): void {
    this.#latestFaultMs = this.#time.nowMs;
    if (this.#isCalm) this.#record({ fact: 'disturbed', why, at: this.#time.nowMs });
    this.#isCalm = false;
  }

  #calmDown(): void {
    const isOver = this.#time.nowMs - this.#latestFaultMs >= QUIET_MS && this.#serverTime.offsetMs === 0;
    if (this.#isCalm || !this.#isFine || !isOver || this.#server === undefined) return;
    this.#isCalm = true;
    this.#record({ fact: 'calm', at: this.#time.nowMs });
  }

  #changeWeather(): void {
    const random = this.#random;
    const isFine = random.chance(0.4);
    this.#disturb('weather');
    this.#isFine = isFine;
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
    const clock = new ProcessClock(this.#time, this.#serverTime);
    const engine = openDisk(this.#disk, this.#diskBehaviour, {
      clock,
      storageClock: clock,
      time: this.#time,
      random: this.#random,
      onRemoved: (type, upTo) => {
        if (clock.alive) this.#record({ fact: 'lossCause', why: 'retention', type, upTo, at: this.#time.nowMs });
      },
    });
    const server: ServerProcess = new ServerProcess({
      clock,
      engine,
      random: this.#random,
      sources: this.#sources,
      connect: (address) => this.#network.connect(() => server, address),
      resolve: (hostname) => this.#network.resolve(hostname),
      options: this.#settings.options,
      logger: logOfWaiting((subscription, untilGranted) => {
        if (!clock.alive) return;
        const why = 'the server waits for its client';
        this.#record({ fact: 'disturbed', subscription, why, untilGranted, at: this.#time.nowMs });
      }),
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
    this.#disturb('no server');
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
    const data = this.#clockRandom === undefined ? { severity } : { severity, text: `what ${eventId} tells` };
    const hash = dataHash(data);
    this.#record({ fact: 'emitting', type: name, eventId, values: { severity }, hash, at: this.#time.nowMs });
    if (upstream !== undefined) {
      const position = upstream.add(eventId, data, { now: () => this.#time.nowMs });
      this.#record({ fact: 'emitted', eventId, cursor: `c0.${position}`, at: this.#time.nowMs });
      return;
    }
    const handle = server?.handles.get(name);
    if (server === undefined || handle === undefined) return;
    this.#unanswered.set(eventId, { source, severity });
    handle.emit(data, { eventId }).then(
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
    if (this.#clockRandom !== undefined) {
      this.#serverTime.set(0);
      this.#recordClock();
    }
    this.#isFine = true;
    this.#disturb('the end of the faults');
    // What hangs is over by then.
    for (const subscriber of this.#subscribers) if (subscriber instanceof WebhookSubscriber) subscriber.recover();
    await this.#time.advance(120_000);
    for (let round = 0; round < LAST_ROUNDS; round++) {
      this.#calmDown();
      for (const subscriber of this.#subscribers) subscriber.recover();
      // So that there is something to be delivered in time, and once, in each of them.
      if (this.#clockRandom !== undefined && round > 0) {
        for (const source of this.#sources) this.#emit(source, `e${++this.#emits}`, 'high');
      }
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
