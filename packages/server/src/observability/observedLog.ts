import type { FeedEvent, FeedRecord } from '../occurrence/feedEvent.ts';
import type { Gap } from '../occurrence/gap.ts';
import { isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';
import type { AncestorEpoch, AppendOptions, EventLog } from '../storage/eventLog.ts';
import { ofType } from './metrics.ts';
import type { Observer } from './observer.ts';
import { SpanKind } from './tracing.ts';

/** A log whose appends are counted, timed and traced. Everything else goes straight to the log itself. */
export class ObservedLog implements EventLog {
  readonly #observer: Observer;
  readonly #name: string;
  readonly #log: EventLog;

  constructor(observer: Observer, name: string, log: EventLog) {
    this.#observer = observer;
    this.#name = name;
    this.#log = log;
  }

  get epoch(): string {
    return this.#log.epoch;
  }

  get ancestors(): readonly AncestorEpoch[] {
    return this.#log.ancestors ?? [];
  }

  get head(): number {
    return this.#log.head;
  }

  get oldest(): number {
    return this.#log.oldest;
  }

  append(event: FeedEvent, options: AppendOptions): MaybePromise<FeedEvent> {
    const { clock, metrics, tracing } = this.#observer;
    const startMs = clock.monotonicMs();
    const attributes = ofType(this.#name);
    const span = tracing?.start(`append ${this.#name}`, SpanKind.internal, attributes, tracing.carriedBy(event._meta));
    const stored = (answer: FeedEvent): FeedEvent => {
      metrics?.appendDuration.record(Math.max(0, clock.monotonicMs() - startMs) / 1_000, attributes);
      if (answer === event) metrics?.appended.add(1, attributes);
      span?.end();
      return answer;
    };
    const failed = (error: unknown): never => {
      if (span !== undefined) tracing?.fail(span, 'failed');
      span?.end();
      throw error;
    };
    let answer: MaybePromise<FeedEvent>;
    try {
      answer = this.#log.append(event, options);
    } catch (error) {
      return failed(error);
    }
    return isPromise(answer) ? answer.then(stored, failed) : stored(answer);
  }

  skip(): MaybePromise<Gap> {
    return this.#log.skip();
  }

  read(position: number, limit: number): MaybePromise<readonly FeedRecord[]> {
    return this.#log.read(position, limit);
  }

  seek(position: number, notBeforeMs: number): MaybePromise<number> {
    return this.#log.seek(position, notBeforeMs);
  }

  clear(): MaybePromise<void> {
    return this.#log.clear();
  }

  close(): MaybePromise<void> {
    return this.#log.close();
  }
}
