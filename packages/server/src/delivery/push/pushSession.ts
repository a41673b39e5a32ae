import type { Dialect, EventsError } from '@mcp-events/protocol';
import { internalError, Notifications } from '@mcp-events/protocol';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';
import { rpcErrorOf } from '../../rpcErrorOf.ts';
import { isFinalError } from '../../subscription/finalErrors.ts';
import { Subscription } from '../../subscription/subscription.ts';
import type { SubscriptionDetails } from '../../subscription/subscription.ts';
import type { Pump } from '../pump.ts';
import type { Sink } from '../sink.ts';
import type { ChannelListener, PushChannel } from './channel.ts';

/** One push stream: the subscription whose life is the request, and the sink its pump feeds. */
export class PushSession extends Subscription implements Sink, ChannelListener {
  readonly mode = 'push';
  readonly #dialect: Dialect;
  readonly #onEnd: () => void;
  #pump: Pump | undefined;
  #channel: PushChannel | undefined;
  #stopHeartbeat: (() => void) | undefined;
  #ended = false;
  #terminated: EventsError | undefined;
  /** An error that the channel had no room for: it is told before anything else is. */
  #untold: EventsError | undefined;

  /**
   * @param dialect error numbers of this peer
   * @param onEnd called once, when the stream has ended for whatever reason
   */
  constructor(details: SubscriptionDetails, dialect: Dialect, onEnd: () => void) {
    super(details);
    this.#dialect = dialect;
    this.#onEnd = onEnd;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Why the server ended it, if it did. */
  get terminated(): EventsError | undefined {
    return this.#terminated;
  }

  /** Everything up to here was written to the stream, or is not for it. */
  get cursor(): string | null {
    return this.#pump?.cursor ?? null;
  }

  /** Whether nothing of the past is left to write. */
  get isCurrent(): boolean {
    return this.#pump?.isAttached === true;
  }

  /** Confirms the stream (PUSH-02) and starts delivery. `failure` is told right after the confirmation. */
  start(
    pump: Pump,
    channel: PushChannel,
    opening: { cursor: string | null; truncated: boolean; failure?: EventsError | undefined },
    heartbeat: (beat: () => void) => () => void,
  ): void {
    if (this.#ended) return;
    this.#pump = pump;
    this.#channel = channel;
    const { cursor, truncated, failure } = opening;
    this.startCursor = cursor;
    channel.message(Notifications.active, { cursor, truncated });
    if (failure !== undefined) this.fail(failure);
    this.#stopHeartbeat = heartbeat(() => this.#beat());
    pump.run();
  }

  deliver(event: FeedEvent): boolean {
    return this.#tellUntold() && (this.#channel?.event(event) ?? true);
  }

  lose(cursor: string | null): boolean {
    // Without replay there is no position that moved, so there is no gap on the wire (CUR-14); the loss is an error.
    if (cursor === null) {
      this.fail(internalError('Events were lost because this stream was not read fast enough'));
      return true;
    }
    // The error that says why is told first.
    return this.#tellUntold() && (this.#channel?.message(Notifications.active, { cursor, truncated: true }) ?? true);
  }

  fail(error: EventsError): void {
    if (isFinalError(error)) this.terminate(error);
    else {
      this.#untold = error;
      this.#tellUntold();
    }
  }

  /**
   * `false` as long as there is no room. An error may be all that tells of a loss, so it waits where an event would: of
   * several the last.
   */
  #tellUntold(): boolean {
    if (this.#untold === undefined) return true;
    const params = { error: rpcErrorOf(this.#untold, this.#dialect) };
    if (this.#channel?.message(Notifications.error, params) === false) return false;
    this.#untold = undefined;
    return true;
  }

  terminate(error: EventsError): void {
    this.#terminated ??= error;
    this.#end({ method: Notifications.terminated, params: { error: rpcErrorOf(error, this.#dialect) } });
  }

  /** The server ends the stream without a cause in the subscription, as at shutdown: the client may come back. */
  finish(): void {
    this.#end();
  }

  /** Access was not taken away: the client comes back with a new token, at the cursor it has. */
  onTokenExpired(): void {
    this.finish();
  }

  onRoom(): void {
    if (this.#tellUntold()) this.#pump?.resume();
  }

  onClosed(): void {
    this.#end();
  }

  #end(last?: { method: string; params: Record<string, unknown> }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pump?.close();
    this.#stopHeartbeat?.();
    this.#channel?.finish(last);
    this.#onEnd();
  }

  #beat(): void {
    // The pump's cursor is never past an event that the channel has not taken, and the channel keeps order (PUSH-12).
    this.#channel?.message(Notifications.heartbeat, { cursor: this.#pump?.cursor ?? null });
  }
}
