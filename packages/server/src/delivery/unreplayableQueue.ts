import type { MaybePromise } from '../maybePromise.ts';
import type { FeedEvent } from '../occurrence/feedEvent.ts';

/** Events that may wait for a slow `match` of one subscription. */
const MAX_COUNT = 256;

/** Bytes of payloads and metadata that may, beyond the event that is being decided. */
const MAX_BYTES = 1024 * 1024;

/** Stands where events are missing. */
const LOSS = 'loss';

/** What becomes of the events, one after the other. */
export interface QueueSteps {
  /** The event as the subscription gets it; `undefined` when it is not for it. */
  readonly select: (event: FeedEvent) => MaybePromise<FeedEvent | undefined>;
  readonly deliver: (selected: FeedEvent) => void;
  /** Events are missing here. */
  readonly lose: () => void;
  /** It could not be decided, or delivered. */
  readonly failed: (event: FeedEvent, error: unknown) => void;
  /** Nothing waits any more. */
  readonly finished: () => void;
}

/** Events of a type without replay, which cannot be read again: they wait in order behind the one that is being decided. */
export class UnreplayableQueue {
  readonly #steps: QueueSteps;
  /** No two losses stand side by side, so there are at most as many as events. */
  readonly #events: (FeedEvent | typeof LOSS)[];
  #count = 1;
  /** Of all events but the first. */
  #bytes = 0;
  #closed = false;

  constructor(first: FeedEvent, selection: Promise<FeedEvent | undefined>, steps: QueueSteps) {
    this.#steps = steps;
    this.#events = [first];
    void this.#settle(selection);
  }

  /** Where there is no room it is lost, and that is told in its place (PUSH-21). */
  add(event: FeedEvent): void {
    const bytes = this.#bytes + event.jsonLength;
    if (this.#count >= MAX_COUNT || bytes > MAX_BYTES) {
      this.addLoss();
      return;
    }
    this.#events.push(event);
    this.#count++;
    this.#bytes = bytes;
  }

  /** Events are missing behind those that wait. */
  addLoss(): void {
    if (this.#events.at(-1) !== LOSS) this.#events.push(LOSS);
  }

  /** Nothing is delivered any more. */
  close(): void {
    this.#closed = true;
    this.#events.length = 0;
  }

  async #settle(first: Promise<FeedEvent | undefined>): Promise<void> {
    let selection: Promise<FeedEvent | undefined> | undefined = first;
    let event: FeedEvent | typeof LOSS | undefined;
    while ((event = this.#events[0]) !== undefined) {
      if (event === LOSS) {
        this.#events.shift();
        this.#steps.lose();
        this.#bytes -= this.#jsonLengthOfFirst();
        continue;
      }
      try {
        const selected = await (selection ?? this.#steps.select(event));
        if (this.#closed) return;
        if (selected !== undefined) this.#steps.deliver(selected);
      } catch (error) {
        this.#steps.failed(event, error);
      }
      selection = undefined;
      this.#events.shift();
      this.#count--;
      this.#bytes -= this.#jsonLengthOfFirst();
    }
    if (!this.#closed) this.#steps.finished();
  }

  #jsonLengthOfFirst(): number {
    const [first] = this.#events;
    return first === undefined || first === LOSS ? 0 : first.jsonLength;
  }
}
