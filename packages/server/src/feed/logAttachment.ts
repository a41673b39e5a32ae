import type { FeedRecord } from '../occurrence/feedEvent.ts';
import type { SubscriptionDetails } from '../subscription/subscription.ts';
import type { Attachment, FeedReceiver } from './feed.ts';
import { passOver } from './passOver.ts';

/** What gives events to receivers: the log as it grows, or a pass over its past. */
export interface LogDispatch {
  /** Everything up to this position was given to all its receivers. */
  readonly dispatched: number;
  cursorAt(position: number): string;
  remove(attachment: LogAttachment): void;
}

/** A receiver's place in a log. */
export class LogAttachment implements Attachment {
  readonly receiver: FeedReceiver;
  readonly subscription: SubscriptionDetails;
  /** Who gives it events at present. */
  dispatch: LogDispatch;
  /** Events up to here were read by, or given to, the receiver. Never behind what it was given. */
  position: number;
  attached = true;

  constructor(dispatch: LogDispatch, receiver: FeedReceiver, position: number) {
    this.dispatch = dispatch;
    this.receiver = receiver;
    this.subscription = receiver.subscription;
    this.position = position;
  }

  cursor(): string {
    return this.dispatch.cursorAt(Math.max(this.position, this.dispatch.dispatched));
  }

  detach(): void {
    if (!this.attached) return;
    this.attached = false;
    this.dispatch.remove(this);
  }

  /** Nothing is given twice: it may have read ahead. */
  give(record: FeedRecord): void {
    if (!this.attached || this.position >= record.position) return;
    if (record.kind === 'event') this.receiver.receive(record);
    else passOver(this.receiver, record);
    // Who cannot take it has left, with the position before it.
    if (this.attached) this.position = record.position;
  }
}
