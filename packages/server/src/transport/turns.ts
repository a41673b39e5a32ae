import type { Clock } from '../clock.ts';

/**
 * Requests that begin in one turn of the event loop. Each costs a millisecond or two of computing, mostly in the SDK, so
 * a turn stays short.
 */
const REQUESTS_PER_TURN = 8;

/**
 * Spreads requests that arrive at once over turns of the event loop: two hundred of them in one packet would otherwise
 * be served in a single turn, in which no timer, stream or other connection gets its share (G5). Callers take turns, so
 * that one with many requests delays only itself.
 */
export class RequestTurns {
  readonly #clock: Clock;
  /** Requests that wait, by caller; callers in the order of their next turn. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #begun = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the request may begin; `undefined` when that is now. */
  enter(caller: string): Promise<void> | undefined {
    if (this.#begun === 0) this.#clock.setImmediate(() => this.#nextTurn());
    if (this.#begun < REQUESTS_PER_TURN) {
      this.#begun++;
      return undefined;
    }
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(caller);
      if (waiting === undefined) this.#waiting.set(caller, [resolve]);
      else waiting.push(resolve);
    });
  }

  #nextTurn(): void {
    this.#begun = 0;
    while (this.#begun < REQUESTS_PER_TURN) {
      const [next] = this.#waiting;
      if (next === undefined) break;
      const [caller, waiting] = next;
      const begin = waiting.shift();
      // To the end of the line, behind the other callers.
      this.#waiting.delete(caller);
      if (waiting.length > 0) this.#waiting.set(caller, waiting);
      this.#begun++;
      begin?.();
    }
    if (this.#begun > 0) this.#clock.setImmediate(() => this.#nextTurn());
  }
}
