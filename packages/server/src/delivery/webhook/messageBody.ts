import { ORDER_META_KEY } from '@mcp-events/protocol';
import type { Dialect, EventOrder, EventsError } from '@mcp-events/protocol';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';
import { rpcErrorOf } from '../../rpcErrorOf.ts';

/**
 * An occurrence's body (DELIV-01), with the safe cursor and the place in this subscription's order. Never has a
 * top-level `type` (OCC-06). Subscriptions that are equally far get the same bytes, made once.
 *
 * @param previous position of the event sent before this one; `undefined` when it is sent outside the order
 */
export function occurrenceBody(
  event: FeedEvent,
  cursor: string | null,
  previous: string | null | undefined,
): Uint8Array {
  const known = event.posted;
  if (known !== undefined && known.cursor === cursor && known.previous === previous) return known.body;
  const { eventId, name, timestamp, dataJson, _meta } = event;
  const members = authoredMembers(_meta);
  if (previous !== undefined) {
    members.push(
      `${ORDER_MEMBER}:{"position":${JSON.stringify(orderPosition(event))},"previous":${JSON.stringify(previous)}}`,
    );
  }
  const meta = members.length === 0 ? '' : `,"_meta":{${members.join()}}`;
  // Timestamps are checked for their form, which needs no escaping.
  const body = Buffer.from(
    `{"eventId":${JSON.stringify(eventId)},"name":${JSON.stringify(name)},"timestamp":"${timestamp}","data":${dataJson},` +
      `"cursor":${JSON.stringify(cursor)}${meta}}`,
  );
  event.posted = { cursor, previous, body };
  return body;
}

/**
 * The event's place in the subscription's order. Where there are cursors it is the event's own: a receiver that has
 * restored the order may resume from there, while the watermark lags behind whatever is outstanding.
 */
export function orderPosition({ cursor, eventId }: FeedEvent): string {
  return cursor ?? eventId;
}

const ORDER_MEMBER = JSON.stringify(ORDER_META_KEY);

/** The author's metadata as JSON text, without what only the server may say. */
function authoredMembers(meta: FeedEvent['_meta']): string[] {
  if (meta === undefined) return [];
  const { [ORDER_META_KEY]: _own, ...authored } = meta;
  const text = JSON.stringify(authored).slice(1, -1);
  return text === '' ? [] : [text];
}

/**
 * Body of a gap envelope (ENV-03).
 *
 * @param missing places in the order that will not come
 */
export function gapBody(cursor: string, missing: readonly EventOrder[]): string {
  const meta = missing.length === 0 ? {} : { _meta: { [ORDER_META_KEY]: { missing } } };
  return JSON.stringify({ type: 'gap', cursor, ...meta });
}

/** Body of a terminated envelope (ENV-05), with the error numbers of the subscriber's dialect (DIALECT-08). */
export function terminatedBody(error: EventsError, dialect: Dialect): string {
  return JSON.stringify({ type: 'terminated', error: rpcErrorOf(error, dialect) });
}

/** Body of a verification envelope (VERIFY-02). */
export function verificationBody(challenge: string): string {
  return JSON.stringify({ type: 'verification', challenge });
}
