import { isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';
import type { FeedRecord } from '../occurrence/feedEvent.ts';
import type { Gap } from '../occurrence/gap.ts';

export interface StoredOrderOptions {
  /** Position of the newest record, which nobody waits for. */
  readonly head: number;
  /** Hands a record on; a promise when its author should wait before more is added. */
  readonly take: (record: FeedRecord) => Promise<void> | undefined;
  /** Reads what stands behind a position, so many at most. */
  readonly read: (position: number, limit: number) => MaybePromise<readonly FeedRecord[]>;
  /** Stands for what is not there any more, or cannot be read. */
  readonly gapAt: (position: number) => Gap;
  readonly report: (error: unknown) => void;
}

/** Most that is read at once of what was stored without an answer. */
const MOST_READ = 1_000;

/**
 * Hands on what is stored in the order of its positions. Storage gives these in the order of the calls; its answers may come in
 * another one, as an event takes other ways than a gap does, and as whoever measures a call may add something within it.
 *
 * What failed may have been stored all the same, as only its answer was lost. It is in the log for who reads, and so is handed
 * on here as well: read when something behind it is stored, or when it is stored again (EMIT-26).
 */
export class StoredOrder {
  readonly #options: StoredOrderOptions;
  /** Position of what was handed on last. */
  #last: number;
  /** Calls of the storage that may be answered with an earlier position. */
  #unanswered = 0;
  /** Answered before something that stands before them. */
  readonly #early = new Map<number, FeedRecord>();

  constructor(options: StoredOrderOptions) {
    this.#last = options.head;
    this.#options = options;
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
    // Stored once and answered twice.
    if (position <= this.#last) return undefined;
    if (position > this.#last + 1) {
      this.#early.set(position, record);
      return undefined;
    }
    this.#last = position;
    return this.#options.take(record);
  }

  #release(): void {
    if (this.#early.size === 0) return;
    for (const position of [...this.#early.keys()].toSorted((a, b) => a - b)) {
      if (position > this.#last + 1) {
        // With no answer to come, what stands before it was stored without one.
        if (this.#unanswered === 0) this.#readUpTo(position);
        return;
      }
      const record = this.#early.get(position) as FeedRecord;
      this.#early.delete(position);
      // It may have been answered twice.
      if (position > this.#last) {
        this.#last = position;
        void this.#options.take(record);
      }
    }
  }

  /** What is stored meanwhile waits, as for an answer. */
  #readUpTo(position: number): void {
    const after = this.#last;
    const known = (records: readonly FeedRecord[]): void => {
      this.#unanswered--;
      const before = records.filter((record) => record.position > after && record.position < position);
      const first = before[0]?.position ?? position;
      if (first > after + 1) {
        this.#early.set(first - 1, this.#options.gapAt(first - 1));
        this.#last = first - 2;
      }
      for (const record of before) if (!this.#early.has(record.position)) this.#early.set(record.position, record);
      this.#release();
    };
    const failed = (error: unknown): void => {
      this.#options.report(error);
      known([]);
    };
    this.#unanswered++;
    try {
      const read = this.#options.read(after, Math.min(position - after - 1, MOST_READ));
      if (isPromise(read)) read.then(known, failed);
      else known(read);
    } catch (error) {
      failed(error);
    }
  }
}
