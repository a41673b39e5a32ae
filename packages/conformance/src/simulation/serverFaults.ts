import type { EventsOptions } from '@mcp-events/server';
import { AuthorFaults } from './authorFaults.ts';
import type { AuthorBehaviour, EventSource } from './eventSources.ts';
import { LocalFaults } from './localFaults.ts';
import { Random } from './random.ts';
import { ReporterFaults } from './reporterFaults.ts';
import type { OwnReporting } from './reporterFaults.ts';
import type { ServerProcess } from './serverProcess.ts';
import { StoredFaults } from './storedFaults.ts';
import type { StoredFaultsOptions } from './storedFaults.ts';
import { Terminations } from './terminations.ts';
import type { EndListener, TerminableSubscription } from './terminations.ts';
import type { WorldRecord } from './worldRecord.ts';

export interface ServerFaultsOptions {
  readonly seed: number;
  readonly world: WorldRecord;
  readonly onFailure: AuthorBehaviour['onFailure'];
  /** What is kept of the server; `undefined` where that is not to be tampered with. */
  readonly stored: StoredFaultsOptions | undefined;
  /** Whether an error that the server reports comes of something else that happens to it. Default: none does. */
  readonly expects?: (error: unknown) => boolean;
  readonly subscriptions: readonly TerminableSubscription[];
  /** Told what the server answered of ends that its operator asked for. */
  readonly onEnded?: EndListener;
}

/**
 * What those who wrote and operate a server do wrong, and what its machine runs out of. What authors do to things that are
 * none of theirs, and what logs do, goes on all the time, as nobody may notice; the rest belongs to the weather.
 */
export class ServerFaults {
  /** Decides on these alone, so that the rest of a schedule is the same with and without. */
  readonly random: Random;
  readonly author: AuthorFaults;
  readonly local: LocalFaults;
  /** Calls something of the API of the server that runs. */
  callBack: () => void = () => {};
  readonly #reporters: ReporterFaults | undefined;
  readonly #stored: StoredFaults | undefined;
  readonly #expects: (error: unknown) => boolean;
  readonly #terminations: Terminations;

  constructor({ seed, world, onFailure, stored, expects = () => false, subscriptions, onEnded }: ServerFaultsOptions) {
    this.#expects = expects;
    const random = new Random(seed + 0.25 * 2 ** 32);
    const { faults: counts } = world;
    this.random = random;
    this.author = new AuthorFaults(random, onFailure, counts);
    this.local = new LocalFaults(random, counts);
    this.#stored = stored && new StoredFaults(random, world, stored);
    this.#terminations = new Terminations(random, world, subscriptions, onEnded);
    Object.assign(this.author.rates, { edit: random.pick([0, 0.2, 0.5]), keep: random.pick([0, 0.2, 0.5]) });
    if (random.chance(0.5)) return;
    this.#reporters = new ReporterFaults(random, counts, () => this.callBack());
    Object.assign(this.#reporters.rates, {
      throws: random.pick([0, 0.02, 0.2, 1]),
      callsBack: random.pick([0, 0.01]),
    });
  }

  /** The weather has changed, with which the answers of the author's functions do, and what there is of the machine. */
  change(isFine: boolean): void {
    const pick = (...rates: readonly number[]): number => (isFine ? 0 : this.random.pick(rates));
    Object.assign(this.author.rates, { nonsense: pick(0, 0.05), throws: pick(0, 0.02, 0.1), hang: pick(0, 0.01) });
    Object.assign(this.local.rates, { connection: pick(0, 0, 0.3, 1), lateTimer: pick(0, 0, 0.02) });
  }

  /** Nobody asks again after the end of a schedule: from here on nothing calls back, which may emit. */
  noMoreCallsBack(): void {
    if (this.#reporters !== undefined) this.#reporters.rates.callsBack = 0;
  }

  /** Between two steps of a schedule, with the server that runs. */
  step(server: ServerProcess | undefined): void {
    if (this.random.chance(0.05)) this.#stored?.backUp();
    if (server !== undefined && this.random.chance(0.01)) this.#terminations.terminate(server, 'in use');
  }

  /** Before a server starts. Returns whether its storage is an earlier one. */
  beforeStart(): boolean {
    return this.#stored?.beforeStart() ?? false;
  }

  /** While a server starts. */
  started(server: ServerProcess): void {
    if (this.random.chance(0.15)) this.#terminations.terminate(server, 'while it starts');
  }

  /** Whether an error that the server reports comes of them. */
  expects(error: unknown): boolean {
    // Last the author, each of whose mistakes accounts for one report.
    return this.#stored?.expects(error) === true || this.#expects(error) || this.author.expects(error);
  }

  sources(sources: readonly EventSource[]): EventSource[] {
    return sources.map((source) => ({
      ...source,
      definition: (clock) => this.author.wrap(source.name, source.definition(clock), clock),
    }));
  }

  reporting(own: OwnReporting): EventsOptions {
    return this.#reporters?.options(own) ?? own;
  }
}
