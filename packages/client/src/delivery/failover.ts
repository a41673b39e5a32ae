import type { ClientDeliveryMode } from './chooseMode.ts';

/** A single failure is normal in networks; three in a row without any success say that this way is blocked. */
const FAILURES_BEFORE_SWITCH = 3;

/** Long enough that a blocked preferred mode costs nothing noticeable, short enough to come back soon (5 min). */
const PREFERRED_RETRY_MS = 5 * 60_000;

/**
 * After a server that nobody could reach (10 s): that says little about the mode, and the other one may just have been the
 * first to find it back.
 */
const RETRY_AFTER_OUTAGE_MS = 10_000;

/** Doublings of the five minutes, for trials that each lose events: up to five hours. */
const MAX_DOUBLINGS = 6;

/**
 * Which mode is in use: the preferred one, until it keeps failing. All modes continue from the same cursor.
 *
 * From time to time the better modes are tried again, the preferred one first. While they are tried nothing else delivers,
 * so one failure of each is enough, and then the mode that worked goes on.
 */
export class Failover {
  #modes: readonly ClientDeliveryMode[];
  #index = 0;
  #failures = 0;
  /** The failures in a row were outages, and so was what led to the current mode. */
  #isOutage = false;
  #isAfterOutage = false;
  /** The current mode got through since it was turned to. */
  #hasSucceeded = false;
  /** The mode that worked, while better ones are tried. */
  #working: number | undefined;
  #failedTrials = 0;

  constructor(modes: readonly ClientDeliveryMode[]) {
    this.#modes = modes;
  }

  get current(): ClientDeliveryMode {
    return this.#modes[this.#index] as ClientDeliveryMode;
  }

  /** Whether there is another mode to turn to. */
  get hasOther(): boolean {
    return this.#modes.length > 1;
  }

  /**
   * How long to stay in the current mode before the better ones are tried again; undefined in the preferred one, while
   * they are tried, and until the current one got through: as long as that is open, it is the worse ones that may work
   * (CLIENT-15).
   *
   * @param losesEvents whether leaving the current mode costs the events in between, because there is no cursor
   */
  retryPreferredMs(losesEvents: boolean): number | undefined {
    if (this.#index === 0 || this.#working !== undefined || !this.#hasSucceeded) return undefined;
    if (this.#isAfterOutage && !losesEvents) return RETRY_AFTER_OUTAGE_MS;
    return PREFERRED_RETRY_MS * (losesEvents ? 2 ** Math.min(this.#failedTrials, MAX_DOUBLINGS) : 1);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#hasSucceeded = true;
    if (this.#working === undefined) return;
    this.#working = undefined;
    this.#failedTrials = 0;
  }

  /** @param isOutage the server could not be reached at all */
  failed(isOutage = false): void {
    this.#isOutage = isOutage && (this.#failures === 0 || this.#isOutage);
    this.#failures += 1;
    if (this.#working === undefined && this.#failures < FAILURES_BEFORE_SWITCH) return;
    const wasOutage = this.#isOutage;
    this.skip();
    this.#isAfterOutage = wasOutage;
  }

  /** The current mode is of no use for now. False if there is no other. */
  skip(): boolean {
    this.#failures = 0;
    this.#isAfterOutage = false;
    this.#hasSucceeded = false;
    this.#index = (this.#index + 1) % this.#modes.length;
    if (this.#index === this.#working) {
      this.#working = undefined;
      this.#failedTrials += 1;
    }
    return this.hasOther;
  }

  /** Tries the better modes, the preferred one first. */
  retryPreferred(): void {
    if (this.#index === 0) return;
    this.#working = this.#index;
    this.#index = 0;
    this.#hasSucceeded = false;
    this.#failures = 0;
    this.#isAfterOutage = false;
  }

  /** The type was listed anew and may offer other modes. */
  replace(modes: readonly ClientDeliveryMode[]): void {
    const current = modes.indexOf(this.current);
    if (current === -1) this.#hasSucceeded = false;
    this.#modes = modes;
    this.#index = Math.max(0, current);
    this.#working = undefined;
  }
}
