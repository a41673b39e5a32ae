import { Notifications, SUBSCRIPTION_ID_META_KEY } from '@mcp-events/protocol';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';
import { encodeUtf8 } from '../../utf8.ts';

/** `event: message` is the SSE default, and written because deployed clients look for it. */
const FRAME_START = 'event: message\ndata: ';
const FRAME_END = '\n\n';

const EVENT_START = `${FRAME_START}{"jsonrpc":"2.0","method":"${Notifications.event}","params":{`;

/** What every frame of one stream ends with: its request's id, value and JSON type unchanged (PUSH-03). */
export function frameTail(subscriptionId: string | number): string {
  return `${JSON.stringify(SUBSCRIPTION_ID_META_KEY)}:${JSON.stringify(subscriptionId)}}}}${FRAME_END}`;
}

/**
 * The event's frame up to the place where the stream's id goes, serialised once for all streams. No schema is applied
 * on the way out: the payload was checked when it was emitted.
 */
export function sharedFrame(event: FeedEvent): Uint8Array {
  if (event.frame !== undefined) return event.frame;
  const { eventId, name, timestamp, cursor, dataJson, _meta } = event;
  // Timestamps are checked for their form, which needs no escaping.
  const head =
    `"eventId":${JSON.stringify(eventId)},"name":${JSON.stringify(name)},"timestamp":"${timestamp}",` +
    `"cursor":${JSON.stringify(cursor)},"data":${dataJson}`;
  const text = `${EVENT_START}${head},"_meta":{${metaMembers(_meta)}`;
  event.frame = encodeUtf8(text);
  return event.frame;
}

/** The author's metadata, to be followed by the stream's own key, which is written last and must not come twice. */
function metaMembers(meta: FeedEvent['_meta']): string {
  if (meta === undefined) return '';
  const { [SUBSCRIPTION_ID_META_KEY]: _own, ...rest } = meta;
  const members = JSON.stringify(rest).slice(1, -1);
  return members === '' ? '' : `${members},`;
}

/** A frame for any other message of the stream. */
export function messageFrame(method: string, params: Readonly<Record<string, unknown>>, tail: string): Uint8Array {
  const body = JSON.stringify(params);
  const separator = body === '{}' ? '' : ',';
  return encodeUtf8(
    `${FRAME_START}{"jsonrpc":"2.0","method":"${method}","params":${body.slice(0, -1)}${separator}"_meta":{${tail}`,
  );
}

/** A frame around a complete JSON-RPC message. */
export function rawFrame(json: string): Uint8Array {
  return encodeUtf8(`${FRAME_START}${json}${FRAME_END}`);
}
