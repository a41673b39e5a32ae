import { isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';
import type { FeedRecord } from '../occurrence/feedEvent.ts';

/**
 * Hands on what is stored in the order of its positions. Storage gives these in the order of the calls; its answers may come in
 * another one, as an event takes other ways than a gap does, and as whoever measures a call may add something within it.
 */
export class StoredOrder {
  readonly #take: (record: FeedRecord) => Promise<void> | undefined;
  /** Position of what was handed on last. */
  #last: number;
  /** Calls of the storage that may be answered with an earlier position. */
  #unanswered = 0;
  /** Answered before something that stands before them. */
  readonly #early = new Map<number, FeedRecord>();

  /** @param take hands it on; a promise when its author should wait before more is added */
  constructor(head: number, take: (record: FeedRecord) => Promise<void> | undefined) {
    this.#last = head;
    this.#take = take;
  }

  /** Calls the storage. What follows from its answer may {@link add} what was stored. */
  call<Answer, Result>(
    store: () => MaybePromise<Answer>,
    then: (answer: Answer) => MaybePromise<Result>,
  ): MaybePromise<Result> {
    const answered = (value: Answer): MaybePromise<Result> => {
      this.#unanswered--;
      const result = then(value);
      this.#release();
      return result;
    };
    const failed = (error: unknown): never => {
      this.#unanswered--;
      this.#release();
      throw error;
    };
    this.#unanswered++;
    let answer: MaybePromise<Answer>;
    try {
      answer = store();
    } catch (error) {
      return failed(error);
    }
    return isPromise(answer) ? answer.then(answered, failed) : answered(answer);
  }

  /** A promise when its author should wait before more is added. */
  add(record: FeedRecord): Promise<void> | undefined {
    const { position } = record;
    if (position > this.#last + 1 && (this.#unanswered > 0 || this.#early.size > 0)) {
      this.#early.set(position, record);
      return undefined;
    }
    this.#last = position;
    return this.#take(record);
  }

  /** With no answer to come nothing can stand before what waits. */
  #release(): void {
    if (this.#early.size === 0) return;
    for (const position of [...this.#early.keys()].toSorted((a, b) => a - b)) {
      if (position > this.#last + 1 && this.#unanswered > 0) return;
      const record = this.#early.get(position) as FeedRecord;
      this.#early.delete(position);
      this.#last = position;
      void this.#take(record);
    }
  }
}
