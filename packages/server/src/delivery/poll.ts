import type { EventOccurrence, EventsError } from '@mcp-events/protocol';
import type { Clock } from '../clock.ts';
import type { Feed } from '../feed/feed.ts';
import type { FeedEvent } from '../occurrence/feedEvent.ts';
import { utf8ByteLength } from '../utf8.ts';
import { PAGE_LIMIT, Pump } from './pump.ts';
import type { FillBounds, PumpOptions } from './pump.ts';
import type { Sink } from './sink.ts';

export interface PollRequest extends Omit<PumpOptions, 'sink'> {
  readonly cursor: string | null;
  readonly notBeforeMs: number | undefined;
  readonly maxEvents: number;
  readonly signal: AbortSignal;
}

/** One answer to a poll, before it is put on the wire. */
export interface PollBatch {
  readonly events: readonly EventOccurrence[];
  /** Where it starts: the cursor asked for, or the position the feed was reset to. */
  readonly from: string | null;
  readonly cursor: string | null;
  readonly truncated: boolean;
  readonly hasMore: boolean;
  readonly nextPollMs: number | undefined;
}

/**
 * Bytes of one answer, as for one delivery buffer elsewhere: a client that wants more asks again. An event that is larger
 * alone is an answer of its own.
 */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** Of an entry besides its payload and metadata, its id included. */
const ENTRY_OVERHEAD_BYTES = 400;

/**
 * Reads of the feed for one answer: a log is searched through some 5,000 events for those that concern the poller, a
 * checked upstream is called this often. Then `hasMore` sends the client on, so no request holds the server for long.
 */
const MAX_PAGES = 20;

/** Time for one answer; a call that takes longer is waited for, and is the last one. */
const MAX_POLL_MS = 1_000;

/** Reads one batch of a subscription, without waiting for anything to happen (POLL-01, POLL-04, POLL-15). */
export async function collectBatch(request: PollRequest): Promise<PollBatch> {
  const { subscription, feed, cursor: asked, notBeforeMs } = request;
  if (asked === null) {
    const { cursor, nextPollMs } = await feed.now(subscription);
    return { events: [], from: cursor, cursor, truncated: false, hasMore: false, nextPollMs };
  }
  const batch = new Batch(request.maxEvents);
  const pump = new Pump({ ...request, sink: batch });
  pump.openAt(asked, notBeforeMs);
  try {
    const { cursor, hasMore, nextPollMs } = await pump.fill(boundsOf(request, batch, feed));
    const { events, truncated } = batch;
    return { events, from: batch.resetTo ?? asked, cursor, truncated, hasMore, nextPollMs };
  } finally {
    pump.close();
  }
}

function boundsOf({ clock, signal }: { clock: Clock; signal: AbortSignal }, batch: Batch, feed: Feed): FillBounds {
  const startMs = clock.monotonicMs();
  return {
    maxPages: MAX_PAGES,
    // No look at one event more: a checked upstream would have to read it again for the next poll.
    limit: () => (batch.room === 0 ? 0 : feed.filters ? PAGE_LIMIT : batch.room),
    isOver: () => signal.aborted || clock.monotonicMs() - startMs >= MAX_POLL_MS,
  };
}

/** What one poll is answered with: takes events until it is full. */
class Batch implements Sink {
  readonly events: EventOccurrence[] = [];
  truncated = false;
  /** Where it starts, if that is later than asked. */
  resetTo: string | null | undefined;
  readonly #maxEvents: number;
  #bytes = 0;

  constructor(maxEvents: number) {
    this.#maxEvents = maxEvents;
  }

  /** Events that fit, as far as their number says. */
  get room(): number {
    return this.#bytes >= MAX_ANSWER_BYTES ? 0 : this.#maxEvents - this.events.length;
  }

  deliver(event: FeedEvent): boolean {
    if (this.room === 0) return false;
    const bytes = ENTRY_OVERHEAD_BYTES + utf8ByteLength(event.dataJson) + metaBytes(event);
    if (this.events.length > 0 && this.#bytes + bytes > MAX_ANSWER_BYTES) return false;
    this.events.push(toPollEntry(event));
    this.#bytes += bytes;
    return true;
  }

  /** An answer says once that something is missing in it. */
  lose(cursor: string | null): boolean {
    if (this.events.length === 0) this.resetTo = cursor;
    this.truncated = true;
    return true;
  }

  /** What fails for one event is told as a gap; what fails as a whole is the answer. */
  fail(_error: EventsError): void {}
}

function metaBytes({ _meta }: FeedEvent): number {
  return _meta === undefined ? 0 : utf8ByteLength(JSON.stringify(_meta));
}

/** The wire form: the position stands once in the result, never in an entry (OCC-05). */
function toPollEntry(event: FeedEvent): EventOccurrence {
  const { eventId, name, timestamp, data, _meta } = event;
  return _meta === undefined ? { eventId, name, timestamp, data } : { eventId, name, timestamp, data, _meta };
}
