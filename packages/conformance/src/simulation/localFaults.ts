import type { FaultCounts } from './faultCounts.ts';
import type { Random } from './random.ts';
import { SimulatedFault } from './simulatedFault.ts';

/** What a machine or a process runs out of, as the system tells it. */
const CODES = ['ENOSPC', 'EMFILE', 'EAGAIN', 'EIO'] as const;

/** What it runs out of when it opens a connection. */
const CONNECTION_CODES = ['EMFILE', 'ENFILE', 'ENOBUFS', 'EADDRNOTAVAIL', 'ENOMEM'] as const;

/** A failure of the machine itself, with the code that Node.js would give it. */
export function localFault(message: string, which: number, codes: readonly string[] = CODES): SimulatedFault {
  return Object.assign(new SimulatedFault(message), { code: codes[which % codes.length] });
}

/** How often the machine that the server runs on fails. Changed while it is in use. */
export interface LocalFaultRates {
  /** Of each connection and look-up. */
  connection: number;
  /** Of each timer that is set, to be minutes late. */
  lateTimer: number;
}

/** What fails on the machine of a process and is no fault of anybody whom it talks to. */
export class LocalFaults {
  readonly rates: LocalFaultRates = { connection: 0, lateTimer: 0 };
  readonly #random: Random;
  readonly #counts: FaultCounts;

  constructor(random: Random, counts: FaultCounts) {
    this.#random = random;
    this.#counts = counts;
  }

  /** Why a connection to an endpoint cannot be opened now. */
  connection(): SimulatedFault | undefined {
    const { connection } = this.rates;
    if (connection === 0 || !this.#random.chance(connection)) return undefined;
    this.#counts.add('machine: no connection');
    const which = this.#random.int(0, CONNECTION_CODES.length - 1);
    return localFault('the simulated machine opens no connection', which, CONNECTION_CODES);
  }

  /** By how much a timer is late that is set now. */
  lateMs(): number {
    const { lateTimer } = this.rates;
    if (lateTimer === 0 || !this.#random.chance(lateTimer)) return 0;
    this.#counts.add('machine: late timer');
    return this.#random.int(60_000, 300_000);
  }
}
