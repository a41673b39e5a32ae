import type { FeedEvent } from '../../occurrence/feedEvent.ts';

/** A stream's way to its client. Messages arrive in the order they were given, or not at all. */
export interface PushChannel {
  /** Takes an event, or returns `false` when the client is behind by the configured bound. */
  event(event: FeedEvent): boolean;
  /** Takes another `notifications/events/*` message under the same bound. */
  message(method: string, params: Readonly<Record<string, unknown>>): boolean;
  /** Takes the last message, whatever the bound, then sends the stream's result and closes (PUSH-13). */
  finish(last?: { readonly method: string; readonly params: Readonly<Record<string, unknown>> }): void;
}

/** What a channel tells its session. */
export interface ChannelListener {
  /** There is room again after a refusal. */
  onRoom(): void;
  /** The client is gone; nothing can be sent any more. */
  onClosed(): void;
}
