import type { ClientDeliveryMode } from './chooseMode.ts';

/** A single failure is normal in networks; three in a row without any success say that this way is blocked. */
const FAILURES_BEFORE_SWITCH = 3;

/** Long enough that a blocked preferred mode costs nothing noticeable, short enough to come back soon (5 min). */
const PREFERRED_RETRY_MS = 5 * 60_000;

/** Which mode is in use: the preferred one, until it keeps failing. All modes continue from the same cursor. */
export class Failover {
  #modes: readonly ClientDeliveryMode[];
  #index = 0;
  #failures = 0;

  constructor(modes: readonly ClientDeliveryMode[]) {
    this.#modes = modes;
  }

  get current(): ClientDeliveryMode {
    return this.#modes[this.#index] as ClientDeliveryMode;
  }

  /** How long to stay in the current mode before the preferred one is tried again; undefined in the preferred one. */
  get retryPreferredMs(): number | undefined {
    return this.#index === 0 ? undefined : PREFERRED_RETRY_MS;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures += 1;
    if (this.#failures >= FAILURES_BEFORE_SWITCH) this.skip();
  }

  /** The current mode is of no use for now. False if there is no other. */
  skip(): boolean {
    this.#failures = 0;
    this.#index = (this.#index + 1) % this.#modes.length;
    return this.#modes.length > 1;
  }

  /** Back to the preferred mode, on trial: while it is tried nothing else delivers, so one more failure is enough. */
  retryPreferred(): void {
    this.#index = 0;
    this.#failures = FAILURES_BEFORE_SWITCH - 1;
  }

  /** The type was listed anew and may offer other modes. */
  replace(modes: readonly ClientDeliveryMode[]): void {
    const current = modes.indexOf(this.current);
    this.#modes = modes;
    this.#index = Math.max(0, current);
  }
}
