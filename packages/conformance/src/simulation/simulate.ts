import { dataHash } from '../history/dataHash.ts';
import type { AuthoredEvent } from './authoredEvent.ts';
import { CalmPeriods } from './calmPeriods.ts';
import { Emitter } from './emitter.ts';
import type { EventForm } from './emitter.ts';
import { authorFailed, checkedSource, filteredSource, matchedSource, Upstream } from './eventSources.ts';
import type { AuthorBehaviour, EventSource } from './eventSources.ts';
import { LossReports } from './lossReports.ts';
import { Network } from './network.ts';
import { OtherPeers } from './otherPeers.ts';
import { OUTBOXED } from './outboxAuthor.ts';
import { PollSubscriber } from './pollSubscriber.ts';
import { PushSubscriber } from './pushSubscriber.ts';
import { Random } from './random.ts';
import { callBackOf } from './callBack.ts';
import { ServerFaults } from './serverFaults.ts';
import { ServerLives } from './serverLives.ts';
import { settingsOf } from './settings.ts';
import type { Settings } from './settings.ts';
import type { Subscriber, SubscriberContext } from './subscriber.ts';
import { VirtualDisk } from './virtualDisk.ts';
import type { DiskBehaviour } from './diskStorage.ts';
import { MemoryWorldStorage } from './memoryWorldStorage.ts';
import { SqliteWorldStorage } from './sqliteWorldStorage.ts';
import { DiskWorldStorage } from './worldStorage.ts';
import type { WorldStorage } from './worldStorage.ts';
import { changeWeather, clearWeather, newClock } from './weather.ts';
import { WebhookSubscriber } from './webhookSubscriber.ts';
import { WorldRecord } from './worldRecord.ts';
import type { SimulationResult } from './worldRecord.ts';
import { compose, DAMAGED_TYPE, withOptions } from './composition.ts';
import { FurtherLoads } from './furtherLoads.ts';
import { furtherSources } from './furtherSources.ts';

/** Longer than any retry waits. */
const LONG_MS = 400_000;

/** More than a schedule emits. */
const MOST_EMITS = 1_000;

/** Rounds in which everything owed has to arrive once there are no faults. */
const LAST_ROUNDS = 4;

/** The first of them in which all is calm. */
const CALM_ROUND = 2;

export interface SimulateOptions {
  /**
   * Whether clocks are set, authors and operators make mistakes, and events have data of their own. Without, schedules are
   * what they were when the first mistakes were found by them. Default: true.
   */
  readonly isComplete?: boolean;
}

/** Runs the schedule of a seed, and judges it. The same seed gives the same facts. */
export function simulate(seed: number, { isComplete = true }: SimulateOptions = {}): Promise<SimulationResult> {
  const world = new WorldRecord();
  const simulation = new Simulation(world, seed, isComplete);
  return world.judge(seed, () => simulation.run());
}

class Simulation {
  readonly #world: WorldRecord;
  readonly #random: Random;
  readonly #settings: Settings;
  /** Decides on clocks alone, so that the rest of a schedule is the same with and without. */
  readonly #clockRandom: Random | undefined;
  readonly #disk = new VirtualDisk();
  readonly #diskBehaviour: DiskBehaviour;
  readonly #storage: WorldStorage;
  readonly #sqlite: SqliteWorldStorage | undefined;
  readonly #author: AuthorBehaviour;
  readonly #network: Network;
  readonly #sources: readonly EventSource[];
  readonly #subscribers: readonly Subscriber[];
  readonly #calm: CalmPeriods;
  readonly #faults: ServerFaults | undefined;
  readonly #lives: ServerLives;
  readonly #emitter: Emitter;
  /** What authors report, decided on its own so that the rest of a schedule is the same with and without. */
  readonly #reportRandom: Random | undefined;
  readonly #lossReports: LossReports;
  readonly #otherPeers: OtherPeers | undefined;
  /** Of the options and loads that not every schedule has. */
  readonly #further: FurtherLoads | undefined;
  #isFine = true;

  constructor(world: WorldRecord, seed: number, isComplete: boolean) {
    this.#world = world;
    const random = new Random(seed);
    this.#clockRandom = isComplete ? new Random(seed + 0.5 * 2 ** 32) : undefined;
    this.#random = random;
    const chosen = settingsOf(random);
    const ownRandom = isComplete ? new Random(seed + 0.0625 * 2 ** 32) : undefined;
    const { time } = world;
    this.#diskBehaviour = { writeMs: 0, readMs: 0, writeFailure: 0, readFailure: 0, readsAtOnce: chosen.readsAtOnce };
    const storageRandom = isComplete ? new Random(seed + 0.375 * 2 ** 32) : undefined;
    this.#storage = this.#newStorage(seed, storageRandom);
    this.#sqlite = this.#storage instanceof SqliteWorldStorage ? this.#storage : undefined;
    // Beside an outbox, whose author counts its events, nobody else emits more.
    const composition = this.#sqlite === undefined ? ownRandom && compose(seed, ownRandom, chosen) : undefined;
    const settings = this.#storage.adapt(composition?.settings ?? chosen);
    this.#settings = settings;
    const { maxCount, options } = settings;
    this.#author = {
      latencyMs: 0,
      failure: 0,
      onFailure: (type, principal, eventId) => {
        world.record(authorFailed(type, principal, eventId));
      },
    };
    this.#network = new Network(time, random);
    this.#network.answersOutliveServer = this.#storage.survives;
    this.#network.onRefused = (subscription) => {
      world.record({ fact: 'lossCause', subscription, why: 'connection refused' });
      world.record({ fact: 'disturbed', subscription });
    };
    const retention = { maxCount, maxAgeMs: 1e12 };
    const own = [
      filteredSource(retention),
      matchedSource(retention, this.#author, random),
      checkedSource(new Upstream(settings.addressable, settings.pageSize), this.#author, random),
      ...(this.#sqlite?.sources(maxCount) ?? []),
    ];
    this.#sources = composition === undefined ? own : withOptions(own, composition);
    const further =
      ownRandom === undefined || composition === undefined
        ? undefined
        : furtherSources(composition, retention, this.#author, ownRandom);
    const isRight = (): boolean =>
      this.#isFine &&
      this.#sqlite?.isRight !== false &&
      this.#lives.timeOfDay.offsetMs === 0 &&
      this.#lives.current !== undefined;
    const calm = new CalmPeriods(world, isRight);
    this.#calm = calm;
    const sources = this.#sources;
    const faults = isComplete ? this.#newFaults(seed, composition?.isDamaged === true) : undefined;
    this.#faults = faults;
    const lives = new ServerLives({
      world,
      random,
      network: this.#network,
      calm,
      sources: [...sources, ...(further?.sources ?? [])],
      options,
      onWaiting: (subscription, what) => {
        const subscriber = this.#subscribers.find(({ wish }) => wish.subscription === subscription);
        const isOrdered = subscriber instanceof WebhookSubscriber && subscriber.isOrdered;
        const untilGranted = isOrdered ? 'all' : what;
        world.record({ fact: 'disturbed', subscription, why: 'the server waits for its client', untilGranted });
      },
      onPostponed: (type) => this.#postponed(type),
      faults,
    });
    this.#lives = lives;
    const form = isComplete ? TOLD : BARE;
    // The virtual disk is no storage of the project's: what it makes of an event that is there already shows nothing.
    const again = this.#storage instanceof DiskWorldStorage ? undefined : storageRandom;
    this.#emitter = new Emitter({ world, random, lives, form, retentionLasts: maxCount > MOST_EMITS, again });
    this.#reportRandom = isComplete ? new Random(seed + 0.125 * 2 ** 32) : undefined;
    this.#lossReports = new LossReports({
      world,
      lives,
      emitter: this.#emitter,
      endOf: (type) => this.#storage.endOf(type),
    });
    if (faults !== undefined) {
      faults.callBack = callBackOf({
        world,
        random: faults.random,
        lives,
        emitter: this.#emitter,
        sources,
        lossReports: this.#lossReports,
      });
    }
    this.#otherPeers = isComplete
      ? new OtherPeers({ world, random: new Random(seed + 0.75 * 2 ** 32), lives })
      : undefined;
    const context: SubscriberContext = {
      time,
      serverTime: lives.timeOfDay,
      random,
      network: this.#network,
      emittedIds: world.emittedIds,
      record: (fact) => {
        if (fact.fact === 'granted' || fact.fact === 'ended') lives.tellClock();
        world.record(fact);
      },
      complain: (message) => world.complain(message),
      count: (kind) => world.faults.add(kind),
    };
    this.#subscribers = settings.subscribers.map(({ mode, ttlMs, ...wish }) => {
      if (mode === 'poll') return new PollSubscriber(wish, context);
      return mode === 'push'
        ? new PushSubscriber(wish, context)
        : new WebhookSubscriber(wish, context, ttlMs, settings.rules);
    });
    if (ownRandom === undefined || composition === undefined || further === undefined) return;
    this.#further = new FurtherLoads({
      world,
      composition,
      further,
      sources,
      context: { ...context, random: ownRandom },
      lives,
      emitter: this.#emitter,
      lossReports: this.#lossReports,
      calm,
      crash: () => this.#crash(),
    });
  }

  /** @param random decides on it alone, so that most schedules are the same with and without */
  #newStorage(seed: number, random: Random | undefined): WorldStorage {
    const kind = random?.weighted({ disk: 87, memory: 10, sqlite: 3 });
    if (random === undefined || kind === 'disk') return new DiskWorldStorage(this.#disk, this.#diskBehaviour);
    if (kind === 'memory') return new MemoryWorldStorage(this.#world);
    return new SqliteWorldStorage({
      seed,
      random,
      world: this.#world,
      behaviour: this.#diskBehaviour,
      lives: () => this.#lives,
      calm: () => this.#calm,
    });
  }

  #newFaults(seed: number, isDamaged: boolean): ServerFaults {
    return new ServerFaults({
      seed,
      world: this.#world,
      onFailure: this.#author.onFailure,
      // Callbacks are named like their subscriptions.
      stored:
        this.#storage instanceof DiskWorldStorage
          ? {
              disk: this.#disk,
              nameOf: ({ url }) => new URL(url).pathname.slice(1),
              standsWhereSaid: true,
              damagedType: isDamaged ? DAMAGED_TYPE : undefined,
            }
          : undefined,
      expects: (error) => this.#sqlite?.expects(error) === true,
      subscriptions: this.#settings.subscribers,
      onEnded: (subscription, askedMs) => {
        for (const each of this.#subscribers) {
          if (each instanceof WebhookSubscriber && each.wish.subscription === subscription) each.endAnswered(askedMs);
        }
      },
    });
  }

  async run(): Promise<void> {
    const random = this.#random;
    const { time } = this.#world;
    await this.#start();
    await time.settle();
    for (const subscriber of this.#subscribers) if (random.chance(0.7)) subscriber.act();
    await time.settle();
    for (let step = 0; step < this.#settings.steps; step++) {
      await this.#step();
      if (random.chance(0.7)) await time.settle();
    }
    await this.#recover();
    this.#lives.current?.kill();
    time.active();
    if (this.#sqlite === undefined) return;
    await time.settle();
    await this.#sqlite.dispose();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const { time } = this.#world;
    if ((await this.#sqlite?.step()) === true) await this.#start();
    this.#setClock();
    this.#faults?.step(this.#lives.current);
    if (this.#reportRandom?.chance(0.04) === true) this.#reportLoss(this.#reportRandom.pick(this.#sources));
    this.#otherPeers?.step();
    await this.#further?.step(this.#subscribers);
    this.#calm.look();
    switch (random.weighted({ emit: 30, act: 25, wait: 20, suffer: 12, weather: 6, crash: 3, stop: 1 })) {
      case 'emit':
        for (let count = random.chance(0.2) ? random.int(2, 6) : 1; count > 0; count--) this.#emitNew();
        break;
      case 'act':
        random.pick(this.#subscribers).act();
        break;
      case 'wait':
        await time.advance(random.pick([1, 20, 500, 6_000, 30_000, 90_000, 700_000]));
        break;
      case 'suffer':
        random.pick(this.#subscribers).suffer();
        break;
      case 'weather':
        this.#calm.disturb('weather');
        this.#isFine = changeWeather(random, this.#exposed, { failure: [0, 0, 0.1] });
        this.#faults?.change(this.#isFine);
        break;
      case 'crash':
        if (this.#lives.current !== undefined) this.#kill();
        if (random.chance(0.5)) await time.advance(random.pick([1, 500, 90_000]));
        await this.#start();
        break;
      case 'stop':
        await this.#lives.stop();
        await this.#start();
        break;
    }
  }

  #kill(): void {
    const { sinceMs } = this.#calm;
    if (sinceMs !== undefined && this.#storage.survives) this.#further?.recordStored(this.#subscribers, sinceMs);
    this.#lives.kill();
  }

  async #crash(): Promise<void> {
    this.#kill();
    await this.#start();
  }

  get #everybody(): readonly Subscriber[] {
    return [...this.#subscribers, ...(this.#further?.subscribers ?? [])];
  }

  /** The server's time of day jumps, or goes wrong by itself; timers do not notice. */
  #setClock(): void {
    const random = this.#clockRandom;
    if (random === undefined || !random.chance(0.06)) return;
    this.#lives.setClock(...newClock(random));
    this.#calm.disturb('clock');
  }

  get #exposed(): { disk: DiskBehaviour; network: Network['behaviour']; author: AuthorBehaviour } {
    return { disk: this.#diskBehaviour, network: this.#network.behaviour, author: this.#author };
  }

  /** Nothing comes to those of the type until they are granted anew, and the answer may be that of a new one. */
  #postponed(type: string | undefined): void {
    this.#lives.tellClock();
    const refreshBeforeMs = this.#lives.timeOfDay.nowMs;
    for (const { subscription, type: wanted, mode } of this.#settings.subscribers) {
      if (mode !== 'webhook' || wanted !== type) continue;
      this.#world.record({ fact: 'granted', subscription, refreshBeforeMs, perhaps: true });
    }
  }

  async #start(): Promise<void> {
    this.#lossReports.beforeStart();
    if (this.#faults?.beforeStart() === true) {
      this.#emitter.forget();
      for (const subscriber of this.#subscribers) if (subscriber instanceof WebhookSubscriber) subscriber.restored();
    }
    if (!this.#storage.survives) this.#forgotten();
    const life = this.#lives.nextLife();
    const opened = this.#storage.open(life);
    const server = this.#lives.start(life, opened instanceof Promise ? await opened : opened);
    this.#sqlite?.started(server);
    this.#emitter.repeat();
  }

  /** What the server knew has ended with it. */
  #forgotten(): void {
    this.#emitter.forget();
    for (const { subscription, mode } of this.#settings.subscribers) {
      if (mode === 'webhook') this.#world.record({ fact: 'ended', subscription, how: 'dropped' });
    }
  }

  #emitNew(): void {
    const source = this.#random.pick(this.#sources);
    const eventId = this.#emitter.nextId();
    this.#emit(source, { eventId, severity: this.#random.pick(['high', 'low']) });
  }

  #emit(source: EventSource, event: AuthoredEvent): void {
    if (this.#sqlite?.emit(source, event) !== true) this.#emitter.emit(source, event);
  }

  /** Those of an outbox are counted by their author. */
  #reportLoss(source: EventSource): void {
    if (source.name !== OUTBOXED) this.#lossReports.report(source);
  }

  /** No more faults: everything that is owed has to arrive now. */
  async #recover(): Promise<void> {
    const { time } = this.#world;
    clearWeather(this.#exposed);
    if (this.#sqlite?.recover() === true) await this.#start();
    this.#faults?.change(true);
    if (this.#clockRandom !== undefined) this.#lives.setClock(0);
    this.#isFine = true;
    this.#calm.disturb('the end of the faults');
    // What hangs is over by then.
    for (const subscriber of this.#subscribers) if (subscriber instanceof WebhookSubscriber) subscriber.recover();
    await time.advance(120_000);
    for (let round = 0; round < LAST_ROUNDS; round++) {
      this.#calm.look();
      for (const subscriber of this.#everybody) subscriber.recover();
      // So that there is something to be delivered in time, and once, in each of them.
      if (this.#clockRandom !== undefined && round > 0) {
        for (const source of this.#sources) {
          this.#emit(source, { eventId: this.#emitter.nextId(), severity: 'high' });
        }
      }
      if (round === CALM_ROUND) await this.#further?.lastLoads(this.#subscribers);
      await time.advance(LONG_MS);
    }
    this.#faults?.noMoreCallsBack();
    for (const subscriber of this.#everybody) subscriber.recover();
    await time.advance(1_000);
    for (const subscriber of this.#subscribers) if (subscriber instanceof WebhookSubscriber) subscriber.finish();
    this.#world.record({ fact: 'settled' });
  }
}

/** Events with data of their own. */
const TOLD: EventForm = formOf(({ eventId, severity, labels }) => ({
  severity,
  text: `what ${eventId} tells`,
  ...labels,
}));

const BARE: EventForm = formOf(({ severity }) => ({ severity }));

function formOf(dataOf: EventForm['dataOf']): EventForm {
  return {
    dataOf,
    expectationOf: (_type, event) => ({
      values: { severity: event.severity, ...event.labels },
      hash: dataHash(dataOf(event)),
    }),
  };
}
