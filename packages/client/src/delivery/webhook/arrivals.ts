import type { DeliveredOccurrence, EventOrder, SubscribeResult } from '@mcp-events/protocol';
import { serverError, shortened } from '../../errors.ts';
import { ArrivalOrder } from '../../receiver/arrivalOrder.ts';
import type { AcceptResult, EventMessage, WebhookMessage } from '../../receiver/registration.ts';
import { estimatedBytes, type ReceivedEvent, receivedEvent } from '../../subscription/receivedEvent.ts';
import type { DeliveryContext, DeliveryOutcome } from '../deliveryLoop.ts';
import { failure } from './failure.ts';
import { OwnPosition } from './ownPosition.ts';
import { type Arrival, WaitingRoom } from './waitingRoom.ts';

/**
 * How long a post waits for the answer to a refresh. Longer than that its server would give the attempt up: it is told to
 * send it again.
 */
const REFRESH_WAIT_MS = 3_000;

interface EventArrival extends Arrival {
  event: ReceivedEvent;
  /** Had to wait when it came. */
  waits: boolean;
}

/**
 * Takes what the receiver verified: puts it in order, keeps it within the buffer's bounds and moves the position.
 *
 * Invariant: what was answered `accepted` is in the buffer, or waits here and lies beyond `buffer.resumeCursor`, so that
 * dropping it costs a repetition and no event. Where nothing can be repeated it is handed out instead, behind a gap.
 */
export class Arrivals {
  readonly #context: DeliveryContext;
  readonly #end: (outcome: DeliveryOutcome) => void;
  readonly #order: ArrivalOrder<EventArrival>;
  readonly #room: WaitingRoom;
  /** Resolves once the server accepted the subscription, or the run is over. */
  readonly #opened: Promise<void>;
  #open: () => void = () => {};
  #isOpen = false;
  /** The answer to a refresh that is under way: whether it came in time. */
  #renewal: { answered: Promise<boolean>; settle: (inTime: boolean) => void } | undefined;
  /**
   * A refresh was not answered. It may have made the subscription anew, with a gap that only the answer to another one tells:
   * as long as that comes with the position from before the gap.
   */
  #isUnanswered = false;
  /** What waits for an answer. */
  readonly #early = { posts: 0, bytes: 0 };
  #closed = false;
  readonly #own = new OwnPosition();
  /** Tells a gap before the next event that is released. */
  #gapBeforeRelease: (() => void) | undefined;
  /** No post came since the last answer to a subscribe request. */
  #quiet = true;

  /** @param end told why nothing more can be taken in this run */
  constructor(context: DeliveryContext, end: (outcome: DeliveryOutcome) => void) {
    this.#context = context;
    this.#end = end;
    this.#opened = new Promise((resolve) => {
      this.#open = () => {
        this.#isOpen = true;
        resolve();
      };
    });
    const { buffer, clock } = context;
    this.#room = new WaitingRoom(buffer.limits.maxBytes);
    this.#order = new ArrivalOrder<EventArrival>({
      clock,
      // The bound is kept by refusing: giving up the order would tell a gap where there is none.
      maxWaiting: Infinity,
      maxWaitingBytes: Infinity,
      release: (arrival) => this.#release(arrival),
      gap: () => buffer.gap({ reason: 'overdue', cursor: null }),
      restart: () => this.#startOver(),
    });
  }

  /** Where the server stands, as of its answer to a subscribe request. */
  subscribed({ cursor, truncated }: SubscribeResult): void {
    const { buffer } = this.#context;
    if (!this.#isOpen) buffer.began(buffer.resumeCursor, cursor);
    // CUR-14: a type without cursors has nothing that could be truncated.
    if (truncated && cursor !== null) this.#gap(cursor);
    else if (this.#mayFollow()) this.#context.buffer.position(cursor, this.#idsBeyond());
    this.#quiet = true;
    this.#isUnanswered = false;
    this.#open();
    this.#renewal?.settle(true);
  }

  /**
   * A refresh is sent. Should it make the subscription anew, its answer may tell a gap, which comes before everything of the
   * new subscription: that has to wait, or a position beyond the gap could be stored before the gap was told.
   */
  refreshing(): void {
    if (!this.#isOpen || this.#closed) return;
    const { clock } = this.#context;
    const renewal: { settle: (inTime: boolean) => void } = { settle: () => {} };
    const answered = new Promise<boolean>((resolve) => {
      const timer = clock.setTimeout(() => resolve(false), REFRESH_WAIT_MS);
      renewal.settle = (inTime) => {
        clock.clearTimeout(timer);
        this.#renewal = undefined;
        resolve(inTime);
      };
    });
    this.#renewal = { answered, settle: renewal.settle };
  }

  /** The refresh failed. What may be of a subscription made anew is to be sent again, until another one tells (RECV-19). */
  notRefreshed(): void {
    this.#isUnanswered = this.#isOpen;
    this.#renewal?.settle(false);
  }

  /** For the receiver. */
  readonly accept = async (message: WebhookMessage): Promise<AcceptResult> => {
    if (!(await this.#admitted(message))) return 'retry';
    if (this.#closed) return 'retry';
    this.#context.onHealthy();
    this.#quiet = false;
    switch (message.kind) {
      case 'event':
        return this.#event(message.event, message.order);
      case 'gap':
        // ENV-04: told, and delivery goes on.
        this.#gap(message.cursor, message.missing);
        return 'accepted';
      case 'terminated': {
        const outcome = failure('terminated', serverError(message.error));
        // Unless another mode goes on from the position, nothing comes again of what waits.
        if (outcome.kind === 'terminated') this.#giveUpWaiting();
        this.#end(outcome);
        return 'accepted';
      }
    }
  };

  /**
   * A post may overtake the answer to the subscribe request, whose cursor and gap come before it: it waits for that.
   *
   * @returns whether there was room to wait, and the answer came in time
   */
  async #admitted(message: WebhookMessage): Promise<boolean> {
    const mayBeAnew = this.#mayBeAnew(message);
    const renewal = mayBeAnew ? this.#renewal : undefined;
    // Where no order is told nobody knows: it is taken, and the position stays (RECV-19).
    const isTold = message.kind === 'event' && message.order !== undefined;
    if (this.#isOpen && renewal === undefined) return !(this.#isUnanswered && mayBeAnew && isTold);
    const { maxEvents, maxBytes } = this.#context.buffer.limits;
    const bytes = message.kind === 'event' ? message.bytes : 0;
    if (this.#early.posts >= maxEvents || (this.#early.posts > 0 && this.#early.bytes + bytes > maxBytes)) return false;
    this.#early.posts += 1;
    this.#early.bytes += bytes;
    const isInTime = this.#isOpen ? await renewal?.answered : await this.#opened.then(() => true);
    this.#early.posts -= 1;
    this.#early.bytes -= bytes;
    return isInTime !== false;
  }

  /** Whether a post may be of a subscription that was made anew: nothing here says that it goes on from what came before. */
  #mayBeAnew(message: WebhookMessage): boolean {
    if (message.kind !== 'event') return false;
    return typeof message.order?.previous !== 'string' || this.#order.wouldWait(message.order);
  }

  /** For the receiver: an event that was accepted came again, at another place. */
  readonly repeated = ({ event: { eventId }, order }: EventMessage & { order: EventOrder }): void => {
    this.#watchForNewChain(order);
    this.#order.repeated(order, ({ event }) => event.eventId === eventId);
  };

  /** Refuses everything from now on, and drops what waits if it can come again. */
  close(): void {
    // CUR-05: without a position nothing comes again.
    if (this.#context.buffer.resumeCursor === null) this.#giveUpWaiting();
    this.#closed = true;
    this.#open();
    this.#renewal?.settle(true);
    this.#order.close();
  }

  #event(occurrence: DeliveredOccurrence, order: EventOrder | undefined): AcceptResult {
    const { name, buffer, onWarning } = this.#context;
    if (occurrence.name !== name) {
      onWarning(`Ignored a webhook of "${name}" with an event of "${shortened(occurrence.name)}".`);
      return 'accepted';
    }
    const event = receivedEvent(occurrence, 'webhook');
    const bytes = estimatedBytes(event);
    if (buffer.isFull(bytes)) return this.#refuse();
    const arrival = { event, bytes, order, waits: this.#order.wouldWait(order) };
    if (arrival.waits && !this.#room.admit(arrival)) return 'retry';
    this.#watchForNewChain(order);
    // What belongs where a gap was told is handed out late rather than never; a repetition is recognised by its id.
    if (this.#order.take(arrival, order, bytes, event.cursor) === 'late') this.#post(arrival, false);
    // One that waits already is dropped without a word, and would count for ever.
    if (this.#order.waiting === 0) this.#room.clear();
    return 'accepted';
  }

  /**
   * Whether to go on from the cursor of an answer: a watermark, at or before what was sent, and cursors cannot be compared
   * (CUR-01). Where the events bring their own positions it is needed for quiet times only (CUR-07), so it is left alone
   * if anything was posted since the answer before: then it may lag. Should it lag after a quiet interval too, going back
   * to it loses nothing, and {@link #idsBeyond} recognises what comes again.
   */
  #mayFollow(): boolean {
    // What waits may lie before this cursor, if the server gave up what it waits for.
    return this.#order.waiting === 0 && (this.#quiet || !this.#own.isTold);
  }

  /** The events that may lie beyond a watermark of the server's, if they were not remembered one by one. */
  #idsBeyond(): string[] | undefined {
    return this.#own.isTold ? this.#context.buffer.latestIds() : undefined;
  }

  /** What is missing before those that wait will not come in this run: a gap, and they follow. */
  #giveUpWaiting(): void {
    if (this.#order.waiting === 0) return;
    this.#context.buffer.gap({ reason: 'overdue', cursor: null });
    this.#order.settle();
  }

  /**
   * What waits, and a chain that began meanwhile, cannot be put in one order: from the position on everything comes again in
   * one. @returns whether it does
   */
  #startOver(): boolean {
    if (this.#context.buffer.resumeCursor === null) return false;
    this.#end({ kind: 'paused' });
    return true;
  }

  #watchForNewChain(order: EventOrder | undefined): void {
    if (order?.previous === null && this.#order.waiting > 0) this.#own.chainMeetsWaiting();
  }

  #release(arrival: EventArrival): void {
    const { event, order } = arrival;
    if (arrival.waits) this.#room.leave(arrival);
    this.#gapBeforeRelease?.();
    const isSafe =
      order !== undefined && event.cursor !== null && this.#own.released(order, event.cursor, this.#order.waiting > 0);
    this.#post(arrival, isSafe);
  }

  /** @param isSafe whether the event's own position may be gone on from */
  #post({ event, bytes, order }: EventArrival, isSafe: boolean): void {
    const { buffer } = this.#context;
    // CUR-05: whatever its place in the order is called, without a cursor it is no position.
    if (event.cursor === null) buffer.posted(event, bytes, false);
    // Without an order nothing tells what is of a subscription made anew: the position waits for the answer (RECV-19).
    else if (!this.#own.isTold) {
      buffer.posted(this.#isUnanswered ? { ...event, cursor: buffer.resumeCursor } : event, bytes, false);
    } else if (isSafe && order !== undefined) buffer.posted({ ...event, cursor: order.position }, bytes, true);
    else buffer.posted({ ...event, cursor: buffer.resumeCursor }, bytes, false);
  }

  /** CUR-13: what waited for the missing ones comes behind the gap, and the position, which may lie beyond, behind both. */
  #gap(cursor: string, missing?: readonly EventOrder[]): void {
    const { buffer } = this.#context;
    let isTold = false;
    this.#gapBeforeRelease = () => {
      if (!isTold) buffer.gap({ reason: 'truncated', cursor: null });
      isTold = true;
    };
    this.#order.settle(missing);
    this.#gapBeforeRelease = undefined;
    if (isTold) buffer.position(cursor, this.#idsBeyond());
    else buffer.gap({ reason: 'truncated', cursor }, this.#idsBeyond());
  }

  /** The application is slower than the events. */
  #refuse(): AcceptResult {
    const { buffer } = this.#context;
    // Refusing alone would use up the server's retries. Ended here, and made again from the cursor when there is room,
    // the subscription loses nothing.
    if (buffer.resumeCursor !== null) this.#end({ kind: 'paused' });
    // Without replay it cannot be made again. The server tries a few more times, and whether that was enough is not told.
    else buffer.gap({ reason: 'overflow', cursor: null });
    return 'retry';
  }
}
