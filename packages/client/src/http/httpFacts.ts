import type { Transport } from '@modelcontextprotocol/client';
import { Age, type Clock } from '../clock.ts';

/** Longer pauses than this are not believed (1 h). */
const LONGEST_PAUSE_MS = 60 * 60_000;

/** What the headers of a server's answers tell, which the SDK's client does not pass on. */
export class HttpFacts {
  readonly #clock: Clock;
  #serverAheadMs: number | undefined;
  #pause: { status: number; age: Age; lengthMs: number } | undefined;
  /** Why the last answer was given up within its body. */
  failure: Error | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How far the server's clock is ahead of this one, to the second. */
  get serverAheadMs(): number | undefined {
    return this.#serverAheadMs;
  }

  /** How long the server asked not to be asked again (429 and 503), from now. */
  get retryAfterMs(): number {
    if (this.#pause === undefined) return 0;
    const { age, lengthMs } = this.#pause;
    const passedMs = age.ms;
    if (passedMs >= lengthMs) this.#pause = undefined;
    return Math.max(0, lengthMs - passedMs);
  }

  /** The status that came with it. */
  get pausedWith(): number | undefined {
    return this.#pause?.status;
  }

  read({ status, headers }: Response): void {
    const nowMs = this.#clock.now();
    const dateMs = Date.parse(headers.get('date') ?? '');
    // A date is cut to the second, so on average half of one is missing.
    if (!Number.isNaN(dateMs)) this.#serverAheadMs = dateMs + 500 - nowMs;
    if (status !== 429 && status !== 503) return;
    const lengthMs = pauseOf(headers.get('retry-after'), Number.isNaN(dateMs) ? nowMs : dateMs);
    if (lengthMs > 0) {
      this.#pause = { status, age: new Age(this.#clock), lengthMs: Math.min(lengthMs, LONGEST_PAUSE_MS) };
    }
  }
}

/** Seconds, or a date by the server's clock. */
function pauseOf(text: string | null, serverNowMs: number): number {
  if (text === null) return 0;
  const ms = /^\s*\d+\s*$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - serverNowMs;
  return Number.isNaN(ms) ? 0 : ms;
}

const known = new WeakMap<Transport, HttpFacts>();

/** Says where the facts of a transport are found. */
export function keepHttpFacts(transport: Transport, facts: HttpFacts): void {
  known.set(transport, facts);
}

/** Undefined for a transport that was not made by `eventsTransport()`. */
export function httpFactsOf(transport: Transport): HttpFacts | undefined {
  return known.get(transport);
}
