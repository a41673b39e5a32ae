import { Notifications, SUBSCRIPTION_ID_META_KEY } from '@mcp-events/protocol';
import type { FeedEvent, SharedFrame } from '../../feed/feedEvent.ts';

const encoder = new TextEncoder();

/** `event: message` is the SSE default, and written because deployed clients look for it. */
const FRAME_START = 'event: message\ndata: ';
const FRAME_END = '\n\n';

/** What every frame of one stream ends with: its request's id, value and JSON type unchanged (PUSH-03). */
export function frameTail(subscriptionId: string | number): SharedFrame {
  const text = `${JSON.stringify(SUBSCRIPTION_ID_META_KEY)}:${JSON.stringify(subscriptionId)}}}}${FRAME_END}`;
  return { text, byteLength: encoder.encode(text).byteLength };
}

/**
 * The event's frame up to the place where the stream's id goes, serialised once for all streams. No schema is applied
 * on the way out: the payload was checked when it was emitted.
 */
export function sharedFrame(event: FeedEvent): SharedFrame {
  if (event.frame !== undefined) return event.frame;
  const { eventId, name, timestamp, cursor, _meta } = event;
  const data = event.dataJson ?? JSON.stringify(event.data);
  // The stream's own key is written last; an author's would be a second member of that name.
  const { [SUBSCRIPTION_ID_META_KEY]: _own, ...meta } = _meta ?? {};
  const head = JSON.stringify({ eventId, name, timestamp, cursor }).slice(0, -1);
  const members = JSON.stringify(meta).slice(1, -1);
  const text =
    `${FRAME_START}{"jsonrpc":"2.0","method":"${Notifications.event}","params":${head},"data":${data},"_meta":{` +
    (members === '' ? '' : `${members},`);
  event.dataJson = undefined;
  event.frame = { text, byteLength: encoder.encode(text).byteLength };
  return event.frame;
}

/** A frame for any other message of the stream. */
export function messageFrame(method: string, params: Readonly<Record<string, unknown>>, tail: SharedFrame): string {
  const body = JSON.stringify(params);
  const separator = body === '{}' ? '' : ',';
  return `${FRAME_START}{"jsonrpc":"2.0","method":"${method}","params":${body.slice(0, -1)}${separator}"_meta":{${tail.text}`;
}

/** A frame around a complete JSON-RPC message. */
export function rawFrame(json: string): string {
  return `${FRAME_START}${json}${FRAME_END}`;
}
