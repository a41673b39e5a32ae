import type { EventsOptions } from '@mcp-events/server';
import type { CalmPeriods } from './calmPeriods.ts';
import type { EventSource } from './eventSources.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import type { EngineContext, OpenEngine } from './serverEngine.ts';
import type { OwnReporting } from './reporterFaults.ts';
import type { ServerFaults } from './serverFaults.ts';
import { ServerProcess } from './serverProcess.ts';
import { comesOfFault, describeThrown } from './simulatedFault.ts';
import { ProcessClock, TimeOfDay } from './virtualTime.ts';
import { logOfWaiting } from './waitingForClients.ts';
import type { WorldRecord } from './worldRecord.ts';

/** How long the orderly end of a server may take on a machine whose timers are in time. */
const CLOSES_WITHIN_MS = 40_000;

export interface ServerLivesOptions {
  readonly world: WorldRecord;
  readonly random: Random;
  readonly network: Network;
  readonly calm: CalmPeriods;
  readonly sources: readonly EventSource[];
  readonly options: EventsOptions;
  /** What the operator passed in for warnings. Default: takes them. */
  readonly onWarning?: () => void;
  /** Told when the server begins to wait for the client of a webhook subscription, by the name of its endpoint. */
  readonly onWaiting?: (endpoint: string, untilGranted: 'all' | 'emitted') => void;
  /** Told when a stored subscription of a type could not come back: it will later, or is made anew when its client asks. */
  readonly onPostponed?: (type: string | undefined) => void;
  /** What its author and its operator do wrong. Default: nothing. */
  readonly faults?: ServerFaults | undefined;
}

/** The server, which is killed or stopped now and then, and started again. */
export class ServerLives {
  readonly timeOfDay: TimeOfDay;
  /** The one that runs. */
  current: ServerProcess | undefined;
  readonly #options: ServerLivesOptions;
  /** By how much timers of the one that runs were late, together. */
  #lateMs = 0;
  /** How far the history was told that its clock is ahead. */
  #toldAheadMs = 0;

  constructor(options: ServerLivesOptions) {
    this.#options = options;
    const { network, faults } = options;
    network.localFault = () => faults?.local.connection();
    this.timeOfDay = new TimeOfDay(options.world.time);
  }

  /** What the next life needs of its storage. */
  nextLife(): EngineContext {
    const { world, random, faults } = this.#options;
    const { time } = world;
    this.#lateMs = 0;
    const clock = new ProcessClock(time, this.timeOfDay, () => {
      const lateMs = faults?.local.lateMs() ?? 0;
      // It may be one that an author's function waits for, which then counts as failed.
      if (lateMs > 0) world.record({ fact: 'lossCause', why: 'late timer' });
      this.#lateMs += lateMs;
      return lateMs;
    });
    return {
      clock,
      storageClock: new ProcessClock(time, this.timeOfDay),
      time,
      random,
      onRemoved: (type, upTo) => {
        if (clock.alive) world.record({ fact: 'lossCause', why: 'retention', type, upTo });
      },
      onTooFew: (type, oldest) => world.complain(`the log of ${type} begins at ${oldest}: retention removed too much`),
    };
  }

  start({ clock }: EngineContext, engine: OpenEngine): ServerProcess {
    const { world, random, network, sources, options, onWaiting, onPostponed, faults } = this.#options;
    const { onWarning = (): void => {} } = this.#options;
    const waiting =
      onWaiting && logOfWaiting((endpoint, untilGranted) => clock.alive && onWaiting(endpoint, untilGranted));
    const reporting: OwnReporting = {
      onError: (error, { stage, name }) => {
        if (stage === 'restore' && server.alive) onPostponed?.(name);
        this.#reported(server, error, stage);
      },
      onWarning,
      ...(waiting === undefined ? {} : { logger: waiting }),
    };
    const server: ServerProcess = new ServerProcess({
      clock,
      engine,
      random,
      sources: faults?.sources(sources) ?? sources,
      connect: (address) => network.connect(() => server, address),
      resolve: (hostname) => network.resolve(hostname),
      options: { ...options, ...(faults?.reporting(reporting) ?? reporting) },
    });
    this.current = server;
    network.server = server;
    world.record({ fact: 'started', process: 'server' });
    faults?.started(server);
    return server;
  }

  /** Whether a server runs, and is not about to end in an orderly way. */
  get isServing(): boolean {
    return this.current !== undefined && this.#options.network.server === this.current;
  }

  /** From one moment to the next. */
  kill(): void {
    this.current?.kill();
    this.#gone();
    this.#options.world.record({ fact: 'killed', process: 'server' });
  }

  /** In an orderly way, with or without a time limit. */
  async stop(): Promise<void> {
    const { world, random, network } = this.#options;
    const server = this.current;
    let closed = false;
    const closing = server?.events.close(random.chance(0.5) ? { deadlineMs: 5_000 } : {});
    closing?.catch(() => {}).finally(() => (closed = true));
    network.server = undefined;
    await world.time.settle();
    // What has to be stored is waited for, and the disk, like the deadline, has timers of this machine that may be late.
    for (let waitedMs = 0; !closed && waitedMs < CLOSES_WITHIN_MS + this.#lateMs; waitedMs += 2_000) {
      await world.time.advance(2_000);
    }
    if (!closed) world.complain('close() of the server does not come to an end');
    server?.kill();
    this.#gone();
  }

  setClock(offsetMs: number, drift?: number): void {
    this.tellClock();
    this.timeOfDay.set(offsetMs, drift);
    this.#tellClock();
  }

  /** Before a fact that is judged by the server's clock: it may have gone ahead by itself since that was told last. */
  tellClock(): void {
    if (this.timeOfDay.offsetMs > this.#toldAheadMs) this.#tellClock();
  }

  #tellClock(): void {
    // It may have been further ahead before the next fact that tells it.
    const aheadMs = Math.max(this.timeOfDay.offsetMs, 0);
    this.#toldAheadMs = aheadMs;
    this.#options.world.record({ fact: 'clockSet', process: 'server', offsetMs: aheadMs });
  }

  #gone(): void {
    const { calm, network } = this.#options;
    calm.disturb('no server');
    this.current = undefined;
    network.server = undefined;
    for (const tell of network.onServerGone) tell();
  }

  #reported(server: ServerProcess, error: unknown, stage: string): void {
    if (comesOfFault(error) || !server.alive) return;
    if (tookTooLong(error) || this.#options.faults?.expects(error) === true) return;
    this.#options.world.complain(`the server reported at ${stage}: ${describeThrown(error)}`);
  }
}

/** What never answers is reported as what takes too long, or as what could not be done for want of it. */
function tookTooLong(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'TimeLimitError' || tookTooLong(error.cause);
}
