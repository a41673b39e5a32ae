/** A post arrives in the moment in which it begins: nothing else was on its way when the end was answered. */
const UNDER_WAY_MS = 1_000;

/** A request without an answer may still be carried out, for so long. */
const CARRIED_OUT_MS = 600_000;

interface Asked {
  readonly atMs: number;
}

/**
 * Whether the server has answered that a webhook subscription is ended, with no request since that could have made it anew:
 * then nothing more may come of it, whatever happens to the server (TERM-11, DELIV-16).
 */
export class AnsweredEnd {
  readonly #nowMs: () => number;
  /** Requests that may still be carried out. */
  readonly #open = new Set<Asked>();
  #lastAskedMs = -Infinity;
  #endedMs: number | undefined;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Its client asks for it. Returns what is to be called when that was answered. */
  asked(): () => void {
    const asked = { atMs: this.#nowMs() };
    this.#lastAskedMs = asked.atMs;
    this.#endedMs = undefined;
    this.#open.add(asked);
    return () => this.#open.delete(asked);
  }

  /** It was answered that what there was at that time has ended. Returns whether nobody may have asked for it since. */
  ended(sinceMs: number): boolean {
    const nowMs = this.#nowMs();
    for (const asked of this.#open) if (nowMs - asked.atMs > CARRIED_OUT_MS) this.#open.delete(asked);
    if (this.#open.size > 0 || this.#lastAskedMs >= sinceMs) return false;
    this.#endedMs ??= nowMs;
    return true;
  }

  /** The server has an earlier storage, which need not know of the end. */
  forget(): void {
    this.#endedMs = undefined;
  }

  /** Whether what arrives now should not have been sent. */
  get isOver(): boolean {
    return this.#endedMs !== undefined && this.#nowMs() - this.#endedMs > UNDER_WAY_MS;
  }
}
