import type { Clock } from '../../clock.ts';

/** Something that gathered output during a turn of the event loop. */
export interface Flushable {
  flush(): void;
}

/**
 * Writes once per stream and turn of the event loop, however many events a turn brings: the system call, not the
 * serialisation, is what a stream costs most.
 */
export class TurnFlusher {
  readonly #clock: Clock;
  #waiting: Flushable[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  schedule(target: Flushable): void {
    this.#waiting.push(target);
    if (this.#waiting.length === 1) this.#clock.setImmediate(() => this.#flushAll());
  }

  #flushAll(): void {
    const targets = this.#waiting;
    this.#waiting = [];
    for (const target of targets) target.flush();
  }
}
