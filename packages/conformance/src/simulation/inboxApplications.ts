import { createWebhookSecret } from '@mcp-events/protocol';
import { MOST_OVERTAKING_MS } from './applications.ts';
import type { CalmPeriods } from './calmPeriods.ts';
import { InboxApplication } from './inboxApplication.ts';
import type { InboxMachine } from './inboxApplication.ts';
import type { Network } from './network.ts';
import { Random } from './random.ts';
import type { FileAccess } from './virtualFiles.ts';
import { VirtualFiles } from './virtualFiles.ts';
import { TimeOfDay } from './virtualTime.ts';
import type { WorldRecord } from './worldRecord.ts';

export interface InboxApplicationsOptions {
  readonly seed: number;
  readonly world: WorldRecord;
  readonly network: Network;
  readonly calm: CalmPeriods;
}

/** The application without a client, which is killed now and then, also while its disk is busy or fails. */
export class InboxApplications {
  /** Decides on these alone, so that the rest of a schedule is the same with and without. */
  readonly #random: Random;
  readonly #options: InboxApplicationsOptions;
  readonly #machine: InboxMachine;
  readonly #lives = new Map<string, InboxApplication>();
  #running: InboxApplication | undefined;

  constructor(options: InboxApplicationsOptions) {
    this.#options = options;
    const { seed, world, network } = options;
    const random = new Random(seed + 0.4375 * 2 ** 32);
    this.#random = random;
    this.#machine = {
      name: 'inbox0',
      // Somebody who has nothing else.
      principal: 'dave',
      // One whose webhooks come one at a time, and one whose webhooks overtake each other.
      type: random.pick(['filtered', 'matched']),
      files: new VirtualFiles(random, world.time),
      timeOfDay: new TimeOfDay(world.time),
      secret: createWebhookSecret((count) => Uint8Array.from({ length: count }, () => random.int(0, 255))),
      cursor: null,
      isOver: false,
      lives: 0,
    };
    network.endpoints.set(this.#machine.name, (request, answer) => {
      const arrive = (): void => {
        if (this.#running === undefined) answer.reset();
        else this.#running.arrive(request, answer);
      };
      // Posts that are sent at the same time overtake each other, which is no fault.
      if (random.chance(0.4)) world.time.at(random.int(1, MOST_OVERTAKING_MS), arrive);
      else arrive();
    });
  }

  /** The event type that it follows. */
  get type(): string {
    return this.#machine.type;
  }

  /** What a process has of the machine's files; `undefined` if it is none of these. */
  accessOf(process: string): FileAccess | undefined {
    return this.#lives.get(process)?.access;
  }

  get areRight(): boolean {
    return Object.values(this.#machine.files.behaviour).every((value) => value === 0);
  }

  #start(): void {
    const { world, network } = this.#options;
    const application = new InboxApplication(this.#machine, {
      world,
      network,
      random: this.#random,
      onAccepted: () => this.#accepted(),
    });
    this.#running = application;
    this.#lives.set(application.processName, application);
    application.start();
  }

  /** Before the first life: some have a busy disk from the beginning. */
  begin(): void {
    if (this.#random.chance(0.5)) this.#changeDisk();
    this.#start();
  }

  /** Between two steps of a schedule. */
  step(): void {
    const random = this.#random;
    if (random.chance(0.25)) this.#changeDisk();
    if (random.chance(0.15)) this.#crash();
  }

  /** The storage of the server is an earlier one: whoever has a grant asks again. */
  restart(): void {
    if (this.#running !== undefined) this.#crash();
  }

  /** No faults of the machine any more. */
  recover(): void {
    Object.assign(this.#machine.files.behaviour, { latencyMs: 0, writeFailure: 0, syncFailure: 0, openFailure: 0 });
  }

  /** At the end of a run. */
  end(): void {
    this.#running?.kill();
  }

  /** While the disk is busy a kill comes just then, now and then: what was accepted has to be on it. */
  #accepted(): void {
    const { latencyMs } = this.#machine.files.behaviour;
    if (latencyMs === 0 || !this.#random.chance(0.25)) return;
    const application = this.#running;
    this.#options.world.time.at(this.#random.pick([1, 20]), () => {
      if (this.#running === application && application?.alive === true) this.#crash();
    });
  }

  #changeDisk(): void {
    const random = this.#random;
    this.#options.calm.disturb('disk of an inbox');
    Object.assign(this.#machine.files.behaviour, {
      latencyMs: random.pick([0, 50, 2_000, 2_000]),
      writeFailure: random.pick([0, 0, 0.3, 1]),
      syncFailure: random.pick([0, 0, 0.3]),
      openFailure: random.pick([0, 0, 0, 0.3]),
    });
  }

  #crash(): void {
    const { world, calm } = this.#options;
    calm.disturb('inbox killed');
    world.faults.add('inbox: killed');
    this.#running?.kill();
    world.record({ fact: 'killed', process: this.#machine.name });
    if (this.#random.chance(0.4)) this.#machine.files.losePower();
    this.#start();
  }
}
