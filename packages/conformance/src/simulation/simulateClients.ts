import type { EventsClientError } from '@mcp-events/client';
import type { Outbox } from '@mcp-events/server';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { checkHistory } from '../history/checkHistory.ts';
import type { Fact } from '../history/facts.ts';
import { Application } from './application.ts';
import type { Machine } from './application.ts';
import { dataOf, expectationOf, TENANT_NAMES } from './authoredEvent.ts';
import type { AuthoredEvent, Treatment } from './authoredEvent.ts';
import { clientSettingsOf } from './clientSettings.ts';
import type { ClientSettings } from './clientSettings.ts';
import { readCursor } from './cursors.ts';
import type { DiskBehaviour } from './diskStorage.ts';
import { Upstream } from './eventSources.ts';
import type { AuthorBehaviour, EventSource } from './eventSources.ts';
import { Network } from './network.ts';
import { patchFiles } from './patchedFiles.ts';
import { Random } from './random.ts';
import { openDisk } from './serverEngine.ts';
import type { EngineContext } from './serverEngine.ts';
import { ServerProcess } from './serverProcess.ts';
import type { SimulationResult } from './simulate.ts';
import { comesOfFault, SimulatedFault } from './simulatedFault.ts';
import { SqliteEngine } from './sqliteEngine.ts';
import { tenantSources } from './tenantSources.ts';
import { VirtualDisk } from './virtualDisk.ts';
import { VirtualFiles } from './virtualFiles.ts';
import { ProcessClock, TimeOfDay, VirtualTime } from './virtualTime.ts';

const START_MS = Date.parse('2026-01-01T00:00:00Z');

/** After a fault that concerns everybody it takes so long until all that it delayed has arrived. */
const QUIET_MS = 900_000;

/**
 * After a clock was set it takes longer: a client that does not know the server's time takes a grant for up to an hour long,
 * and it is a refresh that tells it of a gap, or resumes what was suspended.
 */
const QUIET_AFTER_CLOCK_MS = 3_600_000;

/** More than a schedule emits. */
const MOST_EMITS = 5_000;

/**
 * Runs the schedule of a seed in which applications with the real client follow the real server, and judges it. The same
 * seed gives the same facts.
 */
export async function simulateClients(seed: number): Promise<SimulationResult> {
  const world = new ClientWorld(seed);
  const { facts, complaints } = world;
  const onUnhandled = (error: unknown): void => {
    complaints.push(`nobody handled: ${error instanceof Error ? error.stack : String(error)}`);
  };
  const takeBack = patchFiles((process) => world.accessOf(process));
  const randomUUID = crypto.randomUUID.bind(crypto);
  crypto.randomUUID = () => world.randomUUID();
  process.on('unhandledRejection', onUnhandled);
  try {
    await world.run();
  } finally {
    process.off('unhandledRejection', onUnhandled);
    crypto.randomUUID = randomUUID;
    takeBack();
  }
  return { seed, facts, complaints, verdict: checkHistory(facts, { readCursor }) };
}

class ClientWorld {
  readonly facts: Fact[] = [];
  readonly complaints: string[] = [];
  readonly #random: Random;
  readonly #settings: ClientSettings;
  readonly #time = new VirtualTime(START_MS);
  readonly #serverTime = new TimeOfDay(this.#time);
  readonly #disk = new VirtualDisk();
  readonly #diskBehaviour: DiskBehaviour;
  readonly #author: AuthorBehaviour;
  readonly #network: Network;
  readonly #sources: readonly EventSource[];
  readonly #machines: readonly Machine[];
  readonly #applications = new Map<string, Application>();
  /** Of all lives, by the name of the process. */
  readonly #lives = new Map<string, Application>();
  #server: ServerProcess | undefined;
  #emits = 0;
  readonly #sqlite: SqliteEngine | undefined;
  #outbox: Outbox | undefined;
  #authorDatabase: DatabaseSyncInstance | undefined;
  /** Events that were committed with an outbox: each gets the next position of its log. */
  #outboxed = 0;
  readonly #unanswered = new Map<string, { readonly source: EventSource; readonly event: AuthoredEvent }>();
  #isFine = true;
  #quietUntilMs = -Infinity;
  #isCalm = false;

  constructor(seed: number) {
    const random = new Random(seed);
    this.#random = random;
    const settings = clientSettingsOf(random);
    this.#settings = settings;
    this.#sqlite = settings.usesSqlite ? new SqliteEngine(seed) : undefined;
    const { readsAtOnce, maxCount, pageSize } = settings;
    this.#diskBehaviour = { writeMs: 0, readMs: 0, writeFailure: 0, readFailure: 0, readsAtOnce };
    this.#author = {
      latencyMs: 0,
      failure: 0,
      hang: 0,
      onFailure: (type, principal) =>
        this.#record({ fact: 'lossCause', why: 'author', type, ...(principal === undefined ? {} : { principal }) }),
    };
    this.#network = new Network(this.#time, random);
    this.#network.isDown = (name) => !this.#applications.has(name);
    this.#network.onRefused = (process) => {
      this.#record({ fact: 'lossCause', process, why: 'connection refused' });
      this.#record({ fact: 'disturbed', process, why: 'connection refused' });
    };
    this.#sources = tenantSources({
      retention: { maxCount, maxAgeMs: 1e12 },
      behaviour: this.#author,
      random,
      upstream: new Upstream(true, pageSize),
      hasOutbox: settings.usesSqlite,
    });
    this.#machines = settings.applications.map((application) => ({
      ...application,
      files: new VirtualFiles(random, this.#time),
      timeOfDay: new TimeOfDay(this.#time),
      behaviour: { workMs: 0, answerMs: 0, lostAnswer: 0 },
      cursors: new Map(),
      over: new Set(),
      lives: 0,
    }));
    for (const { name } of this.#machines) {
      this.#network.endpoints.set(name, (request, answer) => {
        const application = this.#applications.get(name);
        if (application === undefined) answer.reset();
        else application.arrive(request, answer);
      });
    }
  }

  accessOf(process: string): Application['access'] {
    const life = this.#lives.get(process);
    if (life === undefined) throw new Error(`no process ${process}`);
    return life.access;
  }

  randomUUID(): `${string}-${string}-${string}-${string}-${string}` {
    const hex = (length: number): string =>
      this.#random
        .int(0, 16 ** length - 1)
        .toString(16)
        .padStart(length, '0');
    return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`;
  }

  async run(): Promise<void> {
    const random = this.#random;
    await this.#startServer();
    for (const machine of this.#machines) this.#startApplication(machine);
    await this.#time.settle();
    this.#emitSome();
    for (let step = 0; step < this.#settings.steps; step++) {
      this.#calmDown();
      await this.#step();
      if (random.chance(0.7)) await this.#time.settle();
    }
    await this.#recover();
    for (const application of this.#applications.values()) application.kill();
    for (const application of this.#lives.values()) application.dispose();
    this.#server?.kill();
    this.#time.active();
    await this.#time.settle();
    await this.#sqlite?.dispose();
  }

  async #step(): Promise<void> {
    const random = this.#random;
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
        await this.#time.advance(random.pick([1, 20, 500, 6_000, 30_000, 90_000, 700_000]));
        break;
      case 'weather':
        this.#changeWeather();
        break;
      case 'crashServer':
        this.#server?.kill();
        this.#serverGone();
        this.#record({ fact: 'killed', process: 'server' });
        if (random.chance(0.5)) await this.#time.advance(random.pick([1, 500, 90_000, 300_000]));
        await this.#startServer();
        break;
      case 'stopServer':
        await this.#stopServer();
        await this.#startServer();
        break;
      case 'crashApplication':
        await this.#crashApplication(random.pick(this.#machines));
        break;
      case 'stopApplication':
        await this.#stopApplication(random.pick(this.#machines));
        break;
      case 'cutStreams':
        this.#disturb('streams cut');
        this.#applications.get(random.pick(this.#machines).name)?.cutStreams();
        break;
      case 'behave':
        this.#changeBehaviour(random.pick(this.#machines));
        break;
      case 'serverClock':
        this.#serverTime.set(...this.#newClock());
        this.#recordClock();
        break;
      case 'applicationClock':
        random.pick(this.#machines).timeOfDay.set(...this.#newClock());
        break;
      case 'cancel': {
        const machine = random.pick(this.#machines);
        const { subscription } = random.pick(machine.interests);
        this.#applications
          .get(machine.name)
          ?.cancel(subscription)
          .catch(() => {});
        break;
      }
    }
  }

  #newClock(): [number, number] {
    const random = this.#random;
    this.#disturb('clock', QUIET_AFTER_CLOCK_MS);
    const jumpsMs = [0, 0, -3_600_000, -600_000, -20_000, 20_000, 600_000, 3_600_000];
    return [random.pick(jumpsMs), random.pick([0, 0, 0.01, -0.01])];
  }

  #recordClock(): void {
    this.#record({ fact: 'clockSet', process: 'server', offsetMs: Math.max(this.#serverTime.offsetMs, 0) });
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
      failure: isFine ? 0 : random.pick([0, 0, 0.05]),
      hang: isFine ? 0 : random.pick([0, 0, 0.02]),
    });
  }

  #changeBehaviour({ files, behaviour }: Machine): void {
    const random = this.#random;
    this.#disturb('application');
    Object.assign(behaviour, {
      workMs: random.pick([0, 0, 100, 20_000]),
      answerMs: random.pick([0, 0, 100, 8_000]),
      lostAnswer: random.pick([0, 0, 0.3]),
    });
    Object.assign(files.behaviour, {
      latencyMs: random.pick([0, 0, 50, 2_000]),
      writeFailure: random.pick([0, 0, 0.3, 1]),
      syncFailure: random.pick([0, 0, 0.3]),
    });
  }

  /** Something concerns everybody. */
  #disturb(why: string, quietMs: number = QUIET_MS): void {
    this.#quietUntilMs = Math.max(this.#quietUntilMs, this.#time.nowMs + quietMs);
    if (this.#isCalm) this.#record({ fact: 'disturbed', why });
    this.#isCalm = false;
  }

  #calmDown(): void {
    const isLongAgo = this.#time.nowMs >= this.#quietUntilMs;
    const isRight = this.#machines.every(
      ({ timeOfDay, behaviour, files }) =>
        timeOfDay.offsetMs === 0 &&
        [...Object.values(behaviour), ...Object.values(files.behaviour)].every((value) => value === 0),
    );
    if (this.#isCalm || !this.#isFine || !isLongAgo || !isRight || this.#serverTime.offsetMs !== 0) return;
    if (this.#server === undefined || this.#applications.size < this.#machines.length) return;
    this.#isCalm = true;
    this.#record({ fact: 'calm' });
  }

  async #startServer(): Promise<void> {
    const clock = new ProcessClock(this.#time, this.#serverTime);
    const context: EngineContext = {
      clock,
      storageClock: new ProcessClock(this.#time, this.#serverTime),
      time: this.#time,
      random: this.#random,
      onRemoved: (type, upTo) => {
        if (clock.alive) this.#record({ fact: 'lossCause', why: 'retention', type, upTo });
      },
    };
    const life = await this.#sqlite?.start(context);
    const server: ServerProcess = new ServerProcess({
      clock,
      engine: life ?? openDisk(this.#disk, this.#diskBehaviour, context),
      random: this.#random,
      sources: this.#sources,
      connect: (address) => this.#network.connect(() => server, address),
      resolve: (hostname) => this.#network.resolve(hostname),
      options: this.#settings.options,
      onWarning: () => {
        if (this.#random.chance(this.#author.failure)) throw new SimulatedFault('the simulated log of warnings failed');
      },
      onError: (error, stage) => {
        if (comesOfFault(error) || !server.alive || (error as Error).name === 'TimeLimitError') return;
        const text = error instanceof Error ? error.stack : String(error);
        this.complaints.push(`the server reported at ${stage}: ${text}`);
      },
    });
    this.#server = server;
    this.#network.server = server;
    this.#authorDatabase = life?.authorDatabase;
    this.#outbox = life && server.events.outbox(life.authorDatabase);
    this.#record({ fact: 'started', process: 'server' });
    // An author who does not know whether an event was stored says it again, by the same id, or leaves it.
    for (const [eventId, { source, event }] of this.#unanswered) {
      this.#unanswered.delete(eventId);
      if (this.#settings.maxCount > MOST_EMITS && this.#random.chance(0.5)) this.#emit(source, event);
    }
  }

  async #stopServer(): Promise<void> {
    const server = this.#server;
    let closed = false;
    const closing = server?.events.close(this.#random.chance(0.5) ? { deadlineMs: 5_000 } : {});
    closing?.catch(() => {}).finally(() => (closed = true));
    this.#network.server = undefined;
    await this.#time.settle();
    for (let waits = 0; !closed && waits < 20; waits++) await this.#time.advance(2_000);
    if (!closed) this.complaints.push('close() of the server does not come to an end');
    server?.kill();
    this.#serverGone();
  }

  #serverGone(): void {
    this.#disturb('no server');
    this.#server = undefined;
    this.#network.server = undefined;
    for (const tell of this.#network.onServerGone) tell();
  }

  #startApplication(machine: Machine): void {
    const application = new Application(machine, {
      time: this.#time,
      network: this.#network,
      random: this.#random,
      record: (fact) => this.#record(fact),
      complain: (message) => this.complaints.push(message),
      expects: isExpected,
    });
    this.#applications.set(machine.name, application);
    this.#lives.set(application.processName, application);
    application.start();
  }

  async #crashApplication(machine: Machine): Promise<void> {
    const random = this.#random;
    this.#disturb('application killed');
    this.#applications.get(machine.name)?.kill();
    this.#applications.delete(machine.name);
    this.#record({ fact: 'killed', process: machine.name });
    if (random.chance(0.4)) machine.files.losePower();
    if (random.chance(0.5)) await this.#time.advance(random.pick([1, 500, 90_000, 700_000]));
    this.#startApplication(machine);
  }

  async #stopApplication(machine: Machine): Promise<void> {
    this.#disturb('application stopped');
    const application = this.#applications.get(machine.name);
    let closed = false;
    application
      ?.stop()
      .catch(() => {})
      .finally(() => (closed = true));
    await this.#time.settle();
    for (let waits = 0; !closed && waits < 60; waits++) await this.#time.advance(2_000);
    if (!closed) this.complaints.push(`close() of ${machine.name} does not come to an end`);
    application?.kill();
    this.#applications.delete(machine.name);
    // What was in hand had not been acknowledged.
    this.#record({ fact: 'killed', process: machine.name });
    this.#startApplication(machine);
  }

  #emitSome(): void {
    const random = this.#random;
    const count = random.weighted({ one: 5, some: 4, many: 1 });
    const most = count === 'one' ? 1 : count === 'some' ? random.int(2, 12) : random.int(20, 60);
    for (let n = 0; n < most; n++) {
      const eventId = `e${++this.#emits}`;
      const severity = random.pick(['high', 'low'] as const);
      const tenant = random.chance(0.5) ? { tenant: random.pick(TENANT_NAMES) } : {};
      this.#emit(random.pick(this.#sources), { eventId, severity, ...tenant });
    }
  }

  #emit(source: EventSource, event: AuthoredEvent): void {
    const { name, upstream } = source;
    const { eventId } = event;
    const server = this.#server;
    const handle = server?.handles.get(name);
    if (upstream === undefined && (server === undefined || handle === undefined)) return;
    this.#record({ fact: 'emitting', type: name, eventId, ...expectationOf(event, treatmentOf(name)) });
    if (upstream !== undefined) {
      const position = upstream.add(eventId, dataOf(event), { now: () => this.#time.nowMs });
      this.#record({ fact: 'emitted', eventId, cursor: `c0.${position}` });
      return;
    }
    if (name === 'outboxed') {
      this.#emitWithChange(name, event);
      return;
    }
    this.#unanswered.set(eventId, { source, event });
    handle?.emit(dataOf(event), { eventId }).then(
      ({ cursor }) => {
        if (server?.alive !== true) return;
        this.#unanswered.delete(eventId);
        this.#record({ fact: 'emitted', eventId, cursor: cursor ?? '' });
      },
      () => {
        if (server?.alive !== true) return;
        this.#unanswered.delete(eventId);
        this.#record({ fact: 'emitFailed', eventId });
      },
    );
  }

  /** In a transaction of the author's, which is rolled back now and then. */
  #emitWithChange(name: string, event: AuthoredEvent): void {
    const { eventId } = event;
    const [db, outbox] = [this.#authorDatabase, this.#outbox];
    if (db === undefined || outbox === undefined) return;
    db.exec('BEGIN');
    outbox.add(name, dataOf(event), { eventId });
    if (this.#random.chance(0.1)) {
      db.exec('ROLLBACK');
      this.#record({ fact: 'emitFailed', eventId });
      return;
    }
    db.exec('COMMIT');
    this.#record({ fact: 'emitted', eventId, cursor: `${this.#sqlite?.epochOf(name) ?? ''}.${++this.#outboxed}` });
  }

  /** No more faults: everything that is owed has to arrive now, and what is emitted has to arrive in time. */
  async #recover(): Promise<void> {
    Object.assign(this.#diskBehaviour, { writeMs: 0, readMs: 0, writeFailure: 0, readFailure: 0 });
    Object.assign(this.#network.behaviour, { latencyMs: 0, loss: 0, refusal: 0 });
    Object.assign(this.#author, { latencyMs: 0, failure: 0, hang: 0 });
    const clocks = [this.#serverTime, ...this.#machines.map(({ timeOfDay }) => timeOfDay)];
    const areRight = clocks.every(({ offsetMs }) => offsetMs === 0);
    for (const clock of clocks) clock.set(0);
    for (const { behaviour, files } of this.#machines) {
      Object.assign(behaviour, { workMs: 0, answerMs: 0, lostAnswer: 0 });
      Object.assign(files.behaviour, { latencyMs: 0, writeFailure: 0, syncFailure: 0 });
    }
    this.#recordClock();
    this.#isFine = true;
    this.#disturb('the end of the faults', areRight ? QUIET_MS : QUIET_AFTER_CLOCK_MS);
    await this.#time.advance(this.#quietUntilMs - this.#time.nowMs);
    for (let round = 0; round < 3; round++) {
      this.#calmDown();
      this.#emitSome();
      await this.#time.advance(150_000);
    }
    this.#record({ fact: 'settled' });
  }

  #record(fact: Fact): void {
    this.#time.active();
    this.facts.push({ ...fact, at: this.#time.nowMs });
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
  -32_603,
];

function isExpected(error: unknown): boolean {
  if (comesOfFault(error) || error instanceof SimulatedFault) return true;
  for (let next = error; next instanceof Error; next = next.cause) {
    if (PASSING.includes((next as EventsClientError).code)) return true;
  }
  return false;
}
