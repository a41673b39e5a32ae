/** Anonymous callers share a subscription: more of them are not told apart. */
const MAX_POLLERS = 1_000;

/** Somebody who was answered and is to come back. */
interface Poller {
  /** What the answer gave, and the next poll brings. */
  readonly cursor: string | null;
  /** Who comes with this cursor before is somebody else. */
  readonly fromMs: number;
  /** Who did not come until then has gone. */
  readonly untilMs: number;
}

/**
 * Who polls one subscription, as far as that can be seen: no request names its sender, but whoever goes on brings the cursor of
 * the last answer, and no earlier than that asked for (POLL-06). A client that does not wait counts as several.
 */
export class Pollers {
  /** In the order they were answered. */
  readonly #waiting: Poller[] = [];

  /** Somebody who was answered, or a beginner, polls. */
  asked(cursor: string | null, nowMs: number): void {
    const index = this.#waiting.findIndex((poller) => poller.cursor === cursor && poller.fromMs <= nowMs);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  answered(poller: Poller): void {
    if (this.#waiting.length >= MAX_POLLERS) this.#waiting.shift();
    this.#waiting.push(poller);
  }

  /** Somebody polls a subscription that has ended. `false` when nobody is left who is to be told. */
  tell(cursor: string | null, nowMs: number): boolean {
    while (this.#waiting[0] !== undefined && this.#waiting[0].untilMs <= nowMs) this.#waiting.shift();
    const index = this.#waiting.findIndex((poller) => poller.cursor === cursor);
    return this.#waiting.splice(Math.max(0, index), 1).length > 0;
  }
}
