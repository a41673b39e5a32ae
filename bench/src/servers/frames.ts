import { Notifications, SUBSCRIPTION_ID_META_KEY } from '@mcp-events/protocol';

/** The event type of every benchmark. */
export const EVENT_NAME = 'bench.happened';

export interface FrameInput {
  readonly eventId: string;
  readonly timestamp: string;
  readonly cursor: string;
  readonly dataJson: string;
}

/** An event's frame up to the place where the stream's id goes: the same bytes the server package writes. */
export function frameHead({ eventId, timestamp, cursor, dataJson }: FrameInput): string {
  return (
    `event: message\ndata: {"jsonrpc":"2.0","method":"${Notifications.event}","params":{"eventId":"${eventId}",` +
    `"name":"${EVENT_NAME}","timestamp":"${timestamp}","cursor":"${cursor}","data":${dataJson},"_meta":{`
  );
}

export function frameTail(id: number): string {
  return `"${SUBSCRIPTION_ID_META_KEY}":${id}}}}\n\n`;
}

/** The confirmation at the start of a stream. */
export function activeFrame(id: number, cursor: string): string {
  return (
    `event: message\ndata: {"jsonrpc":"2.0","method":"${Notifications.active}",` +
    `"params":{"cursor":"${cursor}","truncated":false,"_meta":{${frameTail(id)}`
  );
}

/** Stream ids all have this many digits, so frames of one event have the same length on every stream. */
export const FIRST_ID = 100_000;

/** Bytes one stream gets for the events after `position`. Only the cursor's digits vary. */
export function bytesOnStream(position: number, count: number, dataBytes: number): number {
  const dummy = {
    eventId: `evt_${'0'.repeat(32)}`,
    timestamp: new Date(0).toISOString(),
    cursor: `${'0'.repeat(16)}.`,
    dataJson: '',
  };
  let bytes = count * (frameHead(dummy).length + frameTail(FIRST_ID).length + dataBytes);
  for (let p = position + 1; p <= position + count; p++) bytes += String(p).length;
  return bytes;
}

/** A frame with what differs from event to event and from run to run masked. */
export function maskFrame(frame: string): string {
  return frame
    .replace(/evt_[0-9a-f]{32}/, 'evt_#')
    .replace(/\d{4}-\d{2}-\d{2}T[\d:.]+Z/, '#')
    .replace(/"cursor":"[0-9a-f]{16}\./, '"cursor":"#.');
}
