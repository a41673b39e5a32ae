import type { Clock } from '@mcp-events/server';

interface Wait {
  readonly what: string;
  readonly condition: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Waits for states instead of for time. There is one deadline for everything: passing it fails all waits and says what
 * they were waiting for.
 */
export class Waiting {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #waits = new Set<Wait>();
  readonly #timer: unknown;
  #failure: Error | undefined;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#timer = clock.setTimeout(() => this.#expire(), limitMs);
  }

  /**
   * Resolves when `condition` holds; it is looked at now and at each `changed()`.
   *
   * @param what completes "waited for ..."
   */
  until(what: string, condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure);
      else if (condition()) resolve();
      else this.#waits.add({ what, condition, resolve, reject });
    });
  }

  /** Something happened that a condition may look at. */
  changed(): void {
    for (const wait of this.#waits) {
      if (!wait.condition()) continue;
      this.#waits.delete(wait);
      wait.resolve();
    }
  }

  /** Fails all waits, also those to come. The first failure counts. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const wait of this.#waits) wait.reject(this.#failure);
    this.#waits.clear();
  }

  /** Throws the failure, if there was one, so that work in the background ends too. */
  assertGoing(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Lifts the deadline. */
  end(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  #expire(): void {
    const open = [...this.#waits].map(({ what }) => what).join('; ') || 'a command to finish';
    this.fail(new Error(`Not finished within ${this.#limitMs / 1_000} s. Waited for ${open}.`));
  }
}
