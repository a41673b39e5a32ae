import type { MaybePromise } from '../maybePromise.ts';
import type { FeedEvent } from '../occurrence/feedEvent.ts';

/** Events that may wait for a slow `match` of one subscription. */
const MAX_COUNT = 256;

/** Bytes of payloads and metadata that may, beyond the event that is being decided. */
const MAX_BYTES = 1024 * 1024;

/** What becomes of the events, one after the other. */
export interface QueueSteps {
  /** The event as the subscription gets it; `undefined` when it is not for it. */
  readonly select: (event: FeedEvent) => MaybePromise<FeedEvent | undefined>;
  readonly deliver: (selected: FeedEvent) => void;
  /** It could not be decided, or delivered. */
  readonly failed: (event: FeedEvent, error: unknown) => void;
  /** Nothing waits any more. */
  readonly finished: () => void;
}

/** Events of a type without replay, which cannot be read again: they wait in order behind the one that is being decided. */
export class UnreplayableQueue {
  readonly #steps: QueueSteps;
  readonly #events: FeedEvent[];
  /** Of all but the first. */
  #bytes = 0;
  #closed = false;

  constructor(first: FeedEvent, selection: Promise<FeedEvent | undefined>, steps: QueueSteps) {
    this.#steps = steps;
    this.#events = [first];
    void this.#settle(selection);
  }

  /** @returns `false` when there is no room */
  add(event: FeedEvent): boolean {
    const bytes = this.#bytes + event.jsonLength;
    if (this.#events.length >= MAX_COUNT || bytes > MAX_BYTES) return false;
    this.#events.push(event);
    this.#bytes = bytes;
    return true;
  }

  /** Nothing is delivered any more. */
  close(): void {
    this.#closed = true;
    this.#events.length = 0;
  }

  async #settle(first: Promise<FeedEvent | undefined>): Promise<void> {
    let selection: Promise<FeedEvent | undefined> | undefined = first;
    let event: FeedEvent | undefined;
    while ((event = this.#events[0]) !== undefined) {
      try {
        const selected = await (selection ?? this.#steps.select(event));
        if (this.#closed) return;
        if (selected !== undefined) this.#steps.deliver(selected);
      } catch (error) {
        this.#steps.failed(event, error);
      }
      selection = undefined;
      this.#events.shift();
      this.#bytes -= this.#events[0]?.jsonLength ?? 0;
    }
    if (!this.#closed) this.#steps.finished();
  }
}
