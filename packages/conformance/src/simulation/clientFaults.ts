import { Methods } from '@mcp-events/protocol';
import type { Machine } from './application.ts';
import type { Applications } from './applications.ts';
import type { CalmPeriods } from './calmPeriods.ts';
import { Random } from './random.ts';
import { ALL_METHODS, NO_REQUEST_FAULTS } from './requestFaults.ts';

export interface ClientFaultsOptions {
  readonly seed: number;
  readonly calm: CalmPeriods;
  readonly applications: Applications;
}

/** What a proxy may block by itself: the polls get through, and every subscription has these to turn to. */
const BLOCKED_MODES: readonly (readonly string[])[] = [
  [Methods.stream],
  [Methods.subscribe],
  [Methods.subscribe, Methods.stream],
];

/** What goes wrong between applications and their server that is no weather, and concerns one machine at a time. */
export class ClientFaults {
  /** Decides on these alone, so that the rest of a schedule is the same with and without. */
  readonly #random: Random;
  readonly #options: ClientFaultsOptions;
  /** Steps until a machine's requests are as they should be. */
  readonly #stepsLeft = new Map<Machine, number>();

  constructor(options: ClientFaultsOptions) {
    this.#options = options;
    this.#random = new Random(options.seed + 0.375 * 2 ** 32);
  }

  /** Before the applications start: some find a server that answers nothing they need, and begin later. */
  begin(): void {
    for (const machine of this.#options.applications.machines) {
      if (this.#random.chance(0.6)) this.#block(machine, this.#random.chance(0.5) ? ALL_METHODS : ALL_METHODS.slice(1));
    }
  }

  /** Between two steps of a schedule. */
  step(): void {
    const random = this.#random;
    for (const [machine, steps] of this.#stepsLeft) {
      if (steps > 0) this.#stepsLeft.set(machine, steps - 1);
      else this.#end(machine);
    }
    const machine = random.pick(this.#options.applications.machines);
    if (this.#stepsLeft.has(machine) || !random.chance(0.15)) return;
    const kind = random.weighted({ unreadable: 4, mode: 2, all: 1 });
    if (kind === 'unreadable') this.#change(machine, { unreadable: random.pick([0.2, 0.6]) });
    else this.#block(machine, kind === 'all' ? ALL_METHODS : random.pick(BLOCKED_MODES));
  }

  /** The faults are over, but for this: a mode stays blocked, and there is another one. */
  recover(): void {
    const { applications } = this.#options;
    for (const machine of this.#stepsLeft.keys()) this.#end(machine);
    for (const machine of applications.machines) {
      if (!this.#random.chance(0.4)) continue;
      const blocked = new Set(this.#random.pick(BLOCKED_MODES));
      machine.requests.mayTurn = ({ name, arguments: args }) =>
        machine.interests.some(
          (interest) =>
            interest.type === name &&
            interest.delivery === undefined &&
            JSON.stringify(interest.arguments) === JSON.stringify(args),
        );
      Object.assign(machine.requests.state, { blocked, blockedBy: this.#random.pick(['drop', 'error'] as const) });
      // What was open is opened again, and finds out.
      applications.restart(machine);
    }
  }

  #block(machine: Machine, methods: readonly string[]): void {
    this.#change(machine, { blocked: new Set(methods), blockedBy: this.#random.pick(['drop', 'error'] as const) });
  }

  #change(machine: Machine, state: Partial<Machine['requests']['state']>): void {
    this.#options.calm.disturb('requests of a machine');
    this.#stepsLeft.set(machine, this.#random.int(1, 6));
    Object.assign(machine.requests.state, NO_REQUEST_FAULTS, state);
  }

  #end(machine: Machine): void {
    this.#options.calm.disturb('requests of a machine');
    this.#stepsLeft.delete(machine);
    Object.assign(machine.requests.state, NO_REQUEST_FAULTS);
  }
}
