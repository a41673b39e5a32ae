import { Application } from './application.ts';
import type { ApplicationBehaviour, Machine } from './application.ts';
import type { CalmPeriods } from './calmPeriods.ts';
import type { ApplicationSettings } from './clientSettings.ts';
import { HandlerDatabase } from './handlerDatabase.ts';
import type { Network } from './network.ts';
import { Random } from './random.ts';
import { RequestFaults } from './requestFaults.ts';
import type { ServerFaults } from './serverFaults.ts';
import { UntrueWatermarks } from './untrueWatermarks.ts';
import { VirtualFiles } from './virtualFiles.ts';
import { TimeOfDay } from './virtualTime.ts';
import type { WorldRecord } from './worldRecord.ts';

export interface ApplicationsOptions {
  readonly seed: number;
  readonly world: WorldRecord;
  readonly random: Random;
  readonly network: Network;
  readonly calm: CalmPeriods;
  readonly faults: ServerFaults;
  readonly settings: readonly ApplicationSettings[];
  /** Whether an error comes of the faults that are at work. */
  readonly expects: (error: unknown) => boolean;
}

/** By so much a post may overtake another one that was sent at the same time. */
export const MOST_OVERTAKING_MS = 40;

/** Of the applications, so many handle their events in transactions of their database. */
const HANDLING = 0.3;

/** Of each call, where handlers fail, so that an event may fail a few times in turn. */
const HANDLER_FAILURE = 0.3;

const HARMLESS: ApplicationBehaviour = { workMs: 0, answerMs: 0, lostAnswer: 0, handlerFailure: 0 };

/** The applications, which are killed or stopped now and then, and started again, each on a machine of its own. */
export class Applications {
  readonly machines: readonly Machine[];
  readonly #options: ApplicationsOptions;
  /** Those that run, by machine. */
  readonly #running = new Map<string, Application>();
  /** Of all lives, by the name of the process. */
  readonly #lives = new Map<string, Application>();
  /** By machine. */
  readonly #watermarks = new Map<string, UntrueWatermarks>();

  constructor(options: ApplicationsOptions) {
    this.#options = options;
    const { seed, world, random, network, faults, settings } = options;
    // Decides on these alone, so that the rest of a schedule is the same with and without.
    const databaseRandom = new Random(seed + 0.40625 * 2 ** 32);
    this.machines = settings.map((application) => ({
      ...application,
      database: databaseRandom.chance(HANDLING) ? new HandlerDatabase(databaseRandom) : undefined,
      storesInDatabase: databaseRandom.chance(0.5),
      files: new VirtualFiles(random, world.time),
      timeOfDay: new TimeOfDay(world.time),
      behaviour: { ...HARMLESS },
      requests: new RequestFaults(faults.random, world.faults, () =>
        world.record({ fact: 'lossCause', process: application.name, why: 'an event cannot be read' }),
      ),
      secrets: [],
      cursors: new Map(),
      over: new Set(),
      lives: 0,
    }));
    const watermarkRandom = new Random(seed + 0.46875 * 2 ** 32);
    for (const machine of this.machines) {
      const { name } = machine;
      const watermarks = this.#watermarksOf(machine, watermarkRandom);
      this.#watermarks.set(name, watermarks);
      network.endpoints.set(name, (request, answer) => {
        const arrive = (): void => watermarks.arrive(request, answer);
        // Posts that are sent at the same time overtake each other, which is no fault.
        const delayMs = faults.random.chance(0.4) ? faults.random.int(1, MOST_OVERTAKING_MS) : 0;
        if (delayMs === 0) arrive();
        else world.time.at(delayMs, arrive);
      });
    }
  }

  #watermarksOf(machine: Machine, random: Random): UntrueWatermarks {
    const { name: process, behaviour, secrets } = machine;
    const { world } = this.#options;
    const why = 'an untrue gap';
    return new UntrueWatermarks({
      random,
      time: world.time,
      faults: world.faults,
      secrets,
      pass: (request, answer) => {
        const application = this.#running.get(process);
        if (application === undefined) answer.reset();
        else application.arrive(request, answer);
      },
      taker: () => (behaviour.answerMs === 0 && behaviour.lostAnswer === 0 ? this.#running.get(process) : undefined),
      onHeld: () => world.record({ fact: 'disturbed', process, why }),
      onGap: () => world.record({ fact: 'lossCause', process, why }),
      kill: () => this.restart(machine),
    });
  }

  /** What a process has of its machine's files. */
  accessOf(process: string): Application['access'] {
    const life = this.#lives.get(process);
    if (life === undefined) throw new Error(`no process ${process}`);
    return life.access;
  }

  isDown(name: string): boolean {
    return !this.#running.has(name) && this.machines.some((machine) => machine.name === name);
  }

  /** Whether all of them run, on machines without faults. */
  get areRight(): boolean {
    const areRight = this.machines.every(
      ({ timeOfDay, behaviour, files, database, requests }) =>
        timeOfDay.offsetMs === 0 &&
        requests.areHarmless &&
        [behaviour, files.behaviour, database?.behaviour ?? {}]
          .flatMap((each) => Object.values(each))
          .every((value) => value === 0),
    );
    return areRight && this.#running.size === this.machines.length;
  }

  start(machine: Machine): void {
    // One that died in the middle of what it did was started again meanwhile.
    if (this.#running.has(machine.name)) return;
    const { world, network, random, expects } = this.#options;
    const application = new Application(machine, {
      time: world.time,
      network,
      random,
      record: (fact) => world.record(fact),
      complain: (message) => world.complain(message),
      expects,
      onHanded: (subscription, eventId) => this.#watermarks.get(machine.name)?.handed(subscription, eventId),
      onDeath: () => this.#died(machine),
    });
    this.#running.set(machine.name, application);
    this.#lives.set(application.processName, application);
    application.start();
  }

  /** In the middle of what it does, of which the rest happens to nobody any more. */
  #died(machine: Machine): void {
    const { world } = this.#options;
    world.faults.add('applications: killed while its database is used');
    this.#kill(machine);
    world.time.at(1, () => this.start(machine));
  }

  #kill({ name }: Machine): void {
    const { world, calm } = this.#options;
    calm.disturb('application killed');
    this.#running.get(name)?.kill();
    this.#running.delete(name);
    world.record({ fact: 'killed', process: name });
  }

  async crash(machine: Machine): Promise<void> {
    const { world, random } = this.#options;
    this.#kill(machine);
    if (random.chance(0.4)) machine.files.losePower();
    if (random.chance(0.5)) await world.time.advance(random.pick([1, 500, 90_000, 700_000]));
    this.start(machine);
  }

  /** Killed, and started again at once. */
  restart(machine: Machine): void {
    this.#kill(machine);
    this.start(machine);
  }

  async stop(machine: Machine): Promise<void> {
    const { world, calm } = this.#options;
    calm.disturb('application stopped');
    const application = this.#running.get(machine.name);
    if (application === undefined) return;
    let closed = false;
    application
      .stop()
      .catch(() => {})
      .finally(() => (closed = true));
    await world.time.settle();
    for (let waits = 0; !closed && application.alive && waits < 60; waits++) await world.time.advance(2_000);
    if (!application.alive) return;
    if (!closed) world.complain(`close() of ${machine.name} does not come to an end`);
    application.kill();
    this.#running.delete(machine.name);
    // What was in hand had not been acknowledged.
    world.record({ fact: 'killed', process: machine.name });
    this.start(machine);
  }

  cutStreams(machine: Machine): void {
    this.#options.calm.disturb('streams cut');
    this.#running.get(machine.name)?.cutStreams();
  }

  /** Gives a subscription up. */
  cancel(machine: Machine, subscription: string): void {
    this.#running
      .get(machine.name)
      ?.cancel(subscription)
      .catch(() => {});
  }

  changeBehaviour({ files, behaviour, database }: Machine): void {
    const { random, calm, faults } = this.#options;
    calm.disturb('application');
    Object.assign(behaviour, {
      workMs: random.pick([0, 0, 100, 20_000]),
      answerMs: random.pick([0, 0, 100, 8_000]),
      lostAnswer: random.pick([0, 0, 0.3]),
    });
    Object.assign(files.behaviour, {
      latencyMs: random.pick([0, 0, 50, 2_000]),
      writeFailure: random.pick([0, 0, 0.3, 1]),
      syncFailure: random.pick([0, 0, 0.3]),
      openFailure: faults.random.pick([0, 0, 0, 0.3, 1]),
    });
    if (database === undefined) return;
    behaviour.handlerFailure = database.random.pick([0, 0, HANDLER_FAILURE]);
    Object.assign(database.behaviour, {
      failure: database.random.pick([0, 0, 0.02, 0.3]),
      death: database.random.pick([0, 0.003, 0.01]),
    });
  }

  /** No faults of machines any more. Returns whether their clocks were right. */
  recover(): boolean {
    for (const watermarks of this.#watermarks.values()) watermarks.isActive = false;
    const wereRight = this.machines.every(({ timeOfDay }) => timeOfDay.offsetMs === 0);
    for (const { behaviour, files, database, timeOfDay } of this.machines) {
      timeOfDay.set(0);
      Object.assign(behaviour, HARMLESS);
      if (database !== undefined) Object.assign(database.behaviour, { failure: 0, death: 0 });
      Object.assign(files.behaviour, { latencyMs: 0, writeFailure: 0, syncFailure: 0, openFailure: 0 });
    }
    return wereRight;
  }

  /** At the end of a run. */
  end(): void {
    for (const application of this.#running.values()) application.kill();
    for (const application of this.#lives.values()) application.dispose();
    for (const { database } of this.machines) database?.dispose();
  }
}
