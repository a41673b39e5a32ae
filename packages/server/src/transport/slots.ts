import type { SseChannel } from '../delivery/push/sseChannel.ts';

/** Where the handler of `events/stream` leaves the channel for the wrapper that answers the request. */
export interface StreamSlot {
  channel?: SseChannel;
}

/**
 * Connects the two ends of one HTTP request: the wrapper around the SDK's handler, and the method handler inside it.
 * Both see the same `Request` object, and nothing else connects them.
 */
export type StreamSlots = WeakMap<Request, StreamSlot>;
