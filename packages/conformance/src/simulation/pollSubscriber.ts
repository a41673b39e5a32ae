import { Methods } from '@mcp-events/protocol';
import type { PollResult } from '@mcp-events/protocol';
import { Subscriber } from './subscriber.ts';

/** Asks again and again, with one request at a time. */
export class PollSubscriber extends Subscriber {
  readonly mode = 'poll';
  #asking = 0;
  #settling = false;

  act(): void {
    if (this.#asking > 0) return;
    if (!this.begun) this.begin();
    const { random } = this.context;
    const life = ++this.#lives;
    this.#asking++;
    const maxEvents = random.chance(0.5) ? random.int(1, 4) : undefined;
    const timeoutMs = !this.#settling && random.chance(0.3) ? random.int(1, 30_000) : undefined;
    const params = {
      cursor: this.cursor,
      ...(maxEvents && { maxEvents }),
      ...(timeoutMs && { timeoutMs }),
      ...this.maxAge(),
    };
    this.request(Methods.poll, params, (result: PollResult | undefined, error) => {
      this.#asking--;
      // It is another process that asked.
      if (life !== this.#lives) return;
      if (this.isForbidden(error)) this.ended('told');
      if (result === undefined) return;
      const { events } = result;
      this.received({ events, cursor: result.cursor, gap: result.truncated }, 'poll');
      for (const { eventId } of events) this.hand(eventId);
      if (this.#settling && result.hasMore) this.act();
    });
  }

  /** Counts what a restart makes obsolete. */
  #lives = 0;

  suffer(): void {
    this.restart();
    this.#lives++;
    this.#asking = 0;
  }

  recover(): void {
    this.#settling = true;
    this.#lives++;
    this.#asking = 0;
    this.act();
  }
}
