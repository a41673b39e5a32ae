import type { EventsClientError } from '@mcp-events/client';
import type { StoredSubscription } from '@mcp-events/server';
import { Applications } from './applications.ts';
import { dataOf, expectationOf, TENANT_NAMES } from './authoredEvent.ts';
import type { Treatment } from './authoredEvent.ts';
import { callBackOf } from './callBack.ts';
import { CalmPeriods, QUIET_MS } from './calmPeriods.ts';
import { ClientFaults } from './clientFaults.ts';
import { clientSettingsOf } from './clientSettings.ts';
import type { ClientSettings } from './clientSettings.ts';
import type { DiskBehaviour } from './diskStorage.ts';
import { Emitter } from './emitter.ts';
import type { EventForm } from './emitter.ts';
import { authorFailed, Upstream } from './eventSources.ts';
import type { AuthorBehaviour, EventSource } from './eventSources.ts';
import { InboxApplications } from './inboxApplications.ts';
import { LossReports } from './lossReports.ts';
import { Network } from './network.ts';
import { OUTBOXED, OutboxAuthor } from './outboxAuthor.ts';
import type { OpenOutbox } from './outboxAuthor.ts';
import { patchFiles } from './patchedFiles.ts';
import { Random } from './random.ts';
import { openDisk } from './serverEngine.ts';
import { ServerFaults } from './serverFaults.ts';
import { ServerLives } from './serverLives.ts';
import { comesOfFault, SimulatedFault } from './simulatedFault.ts';
import { SqliteEngine } from './sqliteEngine.ts';
import { tenantSources } from './tenantSources.ts';
import { VirtualDisk } from './virtualDisk.ts';
import { changeWeather, clearWeather, newClock } from './weather.ts';
import { WorldRecord } from './worldRecord.ts';
import type { SimulationResult } from './worldRecord.ts';

/**
 * After a clock was set it takes longer: a client that does not know the server's time takes a grant for up to an hour long,
 * and it is a refresh that tells it of a gap, or resumes what was suspended.
 */
const QUIET_AFTER_CLOCK_MS = 3_600_000;

/** Emitted at the end at once, of one type. */
const OVERTAKING_EMITS = 8;

/** More than a schedule emits. */
const MOST_EMITS = 5_000;

/**
 * Runs the schedule of a seed in which applications with the real client follow the real server, and judges it. The same
 * seed gives the same facts.
 */
export async function simulateClients(seed: number): Promise<SimulationResult> {
  const record = new WorldRecord();
  const world = new ClientWorld(record, seed);
  const takeBack = patchFiles((process) => world.inboxes.accessOf(process) ?? world.applications.accessOf(process));
  const randomUUID = crypto.randomUUID.bind(crypto);
  crypto.randomUUID = () => world.randomUUID();
  try {
    return await record.judge(seed, () => world.run());
  } finally {
    crypto.randomUUID = randomUUID;
    takeBack();
  }
}

class ClientWorld {
  readonly applications: Applications;
  readonly inboxes: InboxApplications;
  readonly #world: WorldRecord;
  readonly #random: Random;
  readonly #settings: ClientSettings;
  readonly #disk = new VirtualDisk();
  readonly #diskBehaviour: DiskBehaviour;
  readonly #author: AuthorBehaviour;
  readonly #network: Network;
  readonly #sources: readonly EventSource[];
  readonly #calm: CalmPeriods;
  readonly #faults: ServerFaults;
  readonly #clientFaults: ClientFaults;
  readonly #lives: ServerLives;
  readonly #emitter: Emitter;
  /** What authors report, decided on its own so that the rest of a schedule is the same with and without. */
  readonly #reportRandom: Random;
  readonly #lossReports: LossReports;
  readonly #sqlite: SqliteEngine | undefined;
  readonly #outboxAuthor: OutboxAuthor;
  #outbox: OpenOutbox | undefined;
  #isFine = true;

  constructor(world: WorldRecord, seed: number) {
    this.#world = world;
    const random = new Random(seed);
    this.#random = random;
    const settings = clientSettingsOf(random);
    this.#settings = settings;
    this.#sqlite = settings.usesSqlite ? new SqliteEngine(seed) : undefined;
    this.#outboxAuthor = new OutboxAuthor(world, random, (type) => this.#sqlite?.epochOf(type));
    const { readsAtOnce, maxCount, pageSize, options } = settings;
    this.#diskBehaviour = { writeMs: 0, readMs: 0, writeFailure: 0, readFailure: 0, readsAtOnce };
    this.#author = {
      latencyMs: 0,
      failure: 0,
      hang: 0,
      onFailure: (type, principal, eventId) => world.record(authorFailed(type, principal, eventId)),
    };
    const network = new Network(world.time, random);
    this.#network = network;
    network.isDown = (name) => this.applications.isDown(name);
    network.onRefused = (process) => {
      world.record({ fact: 'lossCause', process, why: 'connection refused' });
      world.record({ fact: 'disturbed', process, why: 'connection refused' });
    };
    this.#sources = tenantSources({
      retention: { maxCount, maxAgeMs: 1e12 },
      behaviour: this.#author,
      random,
      upstream: new Upstream(true, pageSize),
      hasOutbox: settings.usesSqlite,
    });
    const calm = new CalmPeriods(
      world,
      () => this.#isFine && this.#isServerRight && this.applications.areRight && this.inboxes.areRight,
    );
    this.#calm = calm;
    const sources = this.#sources;
    const faults = this.#newFaults(seed);
    this.#faults = faults;
    const lives = new ServerLives({
      world,
      random,
      network,
      calm,
      sources,
      options,
      onWarning: () => {
        if (random.chance(this.#author.failure)) throw new SimulatedFault('the simulated log of warnings failed');
      },
      faults,
    });
    this.#lives = lives;
    const form: EventForm = { dataOf, expectationOf: (type, event) => expectationOf(event, treatmentOf(type)) };
    this.#emitter = new Emitter({ world, random, lives, form, retentionLasts: maxCount > MOST_EMITS });
    this.#reportRandom = new Random(seed + 0.125 * 2 ** 32);
    const lossReports = new LossReports({ world, lives, emitter: this.#emitter, endOf: (type) => this.#endOf(type) });
    this.#lossReports = lossReports;
    faults.callBack = callBackOf({ world, random: faults.random, lives, emitter: this.#emitter, sources, lossReports });
    this.applications = new Applications({
      seed,
      world,
      random,
      network,
      calm,
      faults,
      settings: settings.applications,
      expects: isExpected,
    });
    this.inboxes = new InboxApplications({ seed, world, network, calm });
    this.#clientFaults = new ClientFaults({ seed, calm, applications: this.applications });
  }

  randomUUID(): `${string}-${string}-${string}-${string}-${string}` {
    const hex = (length: number): string =>
      this.#random
        .int(0, 16 ** length - 1)
        .toString(16)
        .padStart(length, '0');
    return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`;
  }

  #newFaults(seed: number): ServerFaults {
    const { applications } = this.#settings;
    const subscriptions = applications.flatMap(({ principal, usesWebhooks, interests }) =>
      interests.map(({ subscription, type, arguments: args, delivery }) => {
        return { subscription, principal, type, args, mode: delivery ?? (usesWebhooks ? 'webhook' : 'push') };
      }),
    );
    const nameOf = (stored: StoredSubscription): string | undefined =>
      subscriptions.find(
        ({ principal, type, args }) =>
          principal === stored.principal &&
          type === stored.name &&
          JSON.stringify(args) === JSON.stringify(stored.arguments),
      )?.subscription;
    return new ServerFaults({
      seed,
      world: this.#world,
      onFailure: this.#author.onFailure,
      // Files of SQLite are restored in tests of their own.
      stored: this.#sqlite === undefined ? { disk: this.#disk, nameOf, standsWhereSaid: false } : undefined,
      subscriptions,
    });
  }

  async run(): Promise<void> {
    const random = this.#random;
    const { time } = this.#world;
    await this.#startServer();
    this.#clientFaults.begin();
    for (const machine of this.applications.machines) this.applications.start(machine);
    this.inboxes.begin();
    await time.settle();
    this.#emitSome();
    for (let step = 0; step < this.#settings.steps; step++) {
      this.#faults.step(this.#lives.current);
      this.#clientFaults.step();
      this.inboxes.step();
      this.#reportLoss();
      this.#calm.look();
      await this.#step();
      if (random.chance(0.7)) await time.settle();
    }
    await this.#recover();
    this.applications.end();
    this.inboxes.end();
    this.#lives.current?.kill();
    time.active();
    await time.settle();
    await this.#sqlite?.dispose();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const { time } = this.#world;
    const { machines } = this.applications;
    const what = random.weighted({
      emit: 30,
      wait: 26,
      weather: 6,
      crashServer: 3,
      stopServer: 1,
      crashApplication: 5,
      stopApplication: 3,
      cutStreams: 2,
      behave: 6,
      serverClock: 2,
      applicationClock: 2,
      cancel: 1,
    });
    switch (what) {
      case 'emit':
        this.#emitSome();
        break;
      case 'wait':
        await time.advance(random.pick([1, 20, 500, 6_000, 30_000, 90_000, 700_000]));
        break;
      case 'weather':
        this.#calm.disturb('weather');
        this.#isFine = changeWeather(random, this.#exposed, { failure: [0, 0, 0.05], hang: [0, 0, 0.02] });
        this.#faults.change(this.#isFine);
        break;
      case 'crashServer':
        this.#lives.kill();
        if (random.chance(0.5)) await time.advance(random.pick([1, 500, 90_000, 300_000]));
        await this.#startServer();
        break;
      case 'stopServer':
        await this.#lives.stop();
        await this.#startServer();
        break;
      case 'crashApplication':
        await this.applications.crash(random.pick(machines));
        break;
      case 'stopApplication':
        await this.applications.stop(random.pick(machines));
        break;
      case 'cutStreams':
        this.applications.cutStreams(random.pick(machines));
        break;
      case 'behave':
        this.applications.changeBehaviour(random.pick(machines));
        break;
      case 'serverClock':
        this.#calm.disturb('clock', QUIET_AFTER_CLOCK_MS);
        this.#lives.setClock(...newClock(random));
        break;
      case 'applicationClock': {
        const { timeOfDay } = random.pick(machines);
        this.#calm.disturb('clock', QUIET_AFTER_CLOCK_MS);
        timeOfDay.set(...newClock(random));
        break;
      }
      case 'cancel': {
        const machine = random.pick(machines);
        this.applications.cancel(machine, random.pick(machine.interests).subscription);
        break;
      }
    }
  }

  get #exposed(): { disk: DiskBehaviour; network: Network['behaviour']; author: AuthorBehaviour } {
    return { disk: this.#diskBehaviour, network: this.#network.behaviour, author: this.#author };
  }

  get #isServerRight(): boolean {
    return this.#lives.current !== undefined && this.#lives.timeOfDay.offsetMs === 0;
  }

  /** Those of an outbox are counted by their author. */
  #reportLoss(): void {
    const random = this.#reportRandom;
    const source = random.pick(this.#sources);
    if (random.chance(0.04) && source.name !== OUTBOXED) this.#lossReports.report(source);
  }

  #endOf(type: string): string | undefined {
    const log = this.#disk.logs.get(type);
    const epoch = this.#sqlite === undefined ? log?.epoch : this.#sqlite.epochOf(type);
    // Of SQLite nobody looks where its log ends: all that is in it may stand before the report.
    const head = this.#sqlite === undefined ? (log?.head ?? 0) + 1 : MOST_EMITS;
    return epoch === undefined ? undefined : `${epoch}.${head}`;
  }

  async #startServer(): Promise<void> {
    this.#lossReports.beforeStart();
    if (this.#faults.beforeStart()) {
      this.#emitter.forget();
      // Who has a grant of which the storage knows nothing asks again when it starts.
      for (const machine of this.applications.machines) if (machine.usesWebhooks) this.applications.restart(machine);
      this.inboxes.restart();
    }
    const life = this.#lives.nextLife();
    // It waits for a real disk: what is under way by then must not go on by as much as that takes.
    if (this.#sqlite !== undefined) await this.#world.time.settle();
    const stored = await this.#sqlite?.start(life);
    const { events } = this.#lives.start(life, stored ?? openDisk(this.#disk, this.#diskBehaviour, life));
    this.#outbox = stored && { db: stored.authorDatabase, outbox: events.outbox(stored.authorDatabase) };
    this.#emitter.repeat();
  }

  #emitSome(): void {
    const random = this.#random;
    const count = random.weighted({ one: 5, some: 4, many: 1 });
    const most = count === 'one' ? 1 : count === 'some' ? random.int(2, 12) : random.int(20, 60);
    for (let n = 0; n < most; n++) this.#emit(random.pick(this.#sources));
  }

  #emitAtOnce(type: string): void {
    const source = this.#sources.find(({ name }) => name === type);
    for (let n = 0; source !== undefined && n < OVERTAKING_EMITS; n++) this.#emit(source);
  }

  #emit(source: EventSource): void {
    const random = this.#random;
    const eventId = this.#emitter.nextId();
    const severity = random.pick(['high', 'low'] as const);
    const tenant = random.chance(0.5) ? { tenant: random.pick(TENANT_NAMES) } : {};
    const event = { eventId, severity, ...tenant };
    if (source.name !== OUTBOXED) this.#emitter.emit(source, event);
    else if (this.#outbox !== undefined) this.#outboxAuthor.emit(this.#outbox, event);
  }

  /** No more faults: everything that is owed has to arrive now, and what is emitted has to arrive in time. */
  async #recover(): Promise<void> {
    const { time } = this.#world;
    clearWeather(this.#exposed);
    this.#faults.change(true);
    const wasServerRight = this.#lives.timeOfDay.offsetMs === 0;
    const wereRight = this.applications.recover() && wasServerRight;
    this.#lives.setClock(0);
    this.#isFine = true;
    this.#clientFaults.recover();
    this.inboxes.recover();
    this.#calm.disturb('the end of the faults', wereRight ? QUIET_MS : QUIET_AFTER_CLOCK_MS);
    await time.advance(this.#calm.overMs - time.nowMs);
    for (let round = 0; round < 3; round++) {
      this.#calm.look();
      if (round === 2) this.#faults.noMoreCallsBack();
      this.#emitSome();
      // Enough at once for their posts to overtake each other while nothing can be lost.
      if (round === 1) this.#emitAtOnce(this.inboxes.type);
      await time.advance(150_000);
    }
    this.#world.record({ fact: 'settled' });
  }
}

function treatmentOf(type: string): Treatment {
  return { isGuarded: type === 'matched' || type === 'checked', isRedacted: type === 'transformed' };
}

/** What the client's own errors are that faults bring about; others show a mistake. */
const PASSING: readonly unknown[] = [
  'SERVER_UNREACHABLE',
  'STREAM_DROPPED',
  'CLOSED',
  'STREAM_SILENT',
  'STORE_UNAVAILABLE',
  'ENOSPC',
  'EIO',
  'EMFILE',
  -32_603,
  // As the simulated operator ends subscriptions.
  -32_024,
];

function isExpected(error: unknown): boolean {
  if (comesOfFault(error) || error instanceof SimulatedFault) return true;
  for (let next = error; next instanceof Error; next = next.cause) {
    if (PASSING.includes((next as EventsClientError).code)) return true;
  }
  return false;
}
