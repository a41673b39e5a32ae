import { expect, it } from 'vitest';
import { Delivery } from '../src/delivery/webhook/delivery.ts';
import { OutstandingDeliveries } from '../src/delivery/webhook/outstandingDeliveries.ts';
import { FeedEvent } from '../src/occurrence/feedEvent.ts';

const MIB = 1024 * 1024;

const lane = { queue: () => {}, attempt: () => Promise.resolve('skipped' as const) };

/** A delivery of an event that counts for so many bytes. */
function deliveryOf(bytes: number): Delivery {
  const input = { eventId: 'e', name: 'sample', timestamp: '2026-01-01T00:00:00Z', dataJson: 'x'.repeat(bytes) };
  const event = new FeedEvent(input, null);
  expect(event.jsonLength).toBe(bytes);
  return new Delivery({ lane, kind: 'event', webhookId: 'msg', event });
}

it('DELIV-05 takes what fits a mebibyte exactly, and nothing beyond it but a first one', () => {
  const outstanding = new OutstandingDeliveries(64, { heldBytes: 0 });
  expect(outstanding.hasRoomFor(5 * MIB)).toBe(true);
  outstanding.add(deliveryOf(MIB - 100));
  expect([outstanding.hasRoomFor(100), outstanding.hasRoomFor(101)]).toEqual([true, false]);
  const last = deliveryOf(100);
  outstanding.add(last);
  expect([outstanding.hasRoomFor(0), outstanding.hasRoomFor(1)]).toEqual([true, false]);
  outstanding.delete(last);
  outstanding.delete(last);
  expect([outstanding.hasRoomFor(100), outstanding.hasRoomFor(101)]).toEqual([true, false]);
});

it('DELIV-05 takes what fits 64 MiB of a principal exactly, and one of each of its subscriptions beside', () => {
  const principal = { heldBytes: 64 * MIB - 300 };
  const [one, other] = [new OutstandingDeliveries(64, principal), new OutstandingDeliveries(64, principal)];
  one.add(deliveryOf(100));
  expect([one.hasRoomFor(200), one.hasRoomFor(201)]).toEqual([true, false]);
  one.add(deliveryOf(200));
  expect([one.hasRoomFor(1), other.hasRoomFor(MIB)]).toEqual([false, true]);
  const first = deliveryOf(MIB);
  other.add(first);
  other.delete(first);
  expect(principal.heldBytes).toBe(64 * MIB);
});

it('DELIV-05 has room for so many, and much room as long as half of them are free', () => {
  const outstanding = new OutstandingDeliveries(4, { heldBytes: 0 });
  const rooms: boolean[][] = [];
  for (let count = 0; count < 4; count++) {
    outstanding.add(deliveryOf(1));
    rooms.push([outstanding.hasMuchRoom, outstanding.hasRoom]);
  }
  expect(rooms).toEqual([
    [true, true],
    [true, true],
    [false, true],
    [false, false],
  ]);
});
