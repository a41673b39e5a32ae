import { ORDER_META_KEY } from '@mcp-events/protocol';
import type { EventsError, Dialect } from '@mcp-events/protocol';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';

/**
 * The part of an occurrence's body that differs between subscriptions, as JSON text: the safe cursor and the place in
 * this subscription's order.
 *
 * @param previous id of the event sent before this one; `undefined` when it is sent outside the order
 */
export function occurrenceTail(event: FeedEvent, cursor: string | null, previous: string | null | undefined): string {
  const members = authoredMembers(event._meta);
  if (previous !== undefined) {
    const order = `{"position":${JSON.stringify(event.eventId)},"previous":${JSON.stringify(previous)}}`;
    members.push(`${ORDER_MEMBER}:${order}`);
  }
  const meta = members.length === 0 ? '' : `,"_meta":{${members.join()}}`;
  return `"cursor":${JSON.stringify(cursor)}${meta}}`;
}

const ORDER_MEMBER = JSON.stringify(ORDER_META_KEY);

/** The author's metadata as JSON text, without what only the server may say. */
function authoredMembers(meta: FeedEvent['_meta']): string[] {
  if (meta === undefined) return [];
  const { [ORDER_META_KEY]: _own, ...authored } = meta;
  const text = JSON.stringify(authored).slice(1, -1);
  return text === '' ? [] : [text];
}

/** An occurrence's body (DELIV-01). Never has a top-level `type` (OCC-06). */
export function occurrenceBody({ eventId, name, timestamp, dataJson }: FeedEvent, tail: string): string {
  // Timestamps are checked for their form, which needs no escaping.
  const head = `{"eventId":${JSON.stringify(eventId)},"name":${JSON.stringify(name)},"timestamp":"${timestamp}"`;
  return `${head},"data":${dataJson},${tail}`;
}

/** Body of a gap envelope (ENV-03). */
export function gapBody(cursor: string): string {
  return JSON.stringify({ type: 'gap', cursor });
}

/** Body of a terminated envelope (ENV-05), with the error numbers of the subscriber's dialect (DIALECT-08). */
export function terminatedBody(error: EventsError, dialect: Dialect): string {
  return JSON.stringify({ type: 'terminated', error: error.toRpcError(dialect) });
}

/** Body of a verification envelope (VERIFY-02). */
export function verificationBody(challenge: string): string {
  return JSON.stringify({ type: 'verification', challenge });
}
