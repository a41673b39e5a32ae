import { expect, it } from 'vitest';
import { DeliveryOrder } from '../src/delivery/webhook/deliveryOrder.ts';
import type { Place } from '../src/delivery/webhook/deliveryOrder.ts';
import { FeedEvent } from '../src/occurrence/feedEvent.ts';

/** An order whose source stands behind the event that is begun, as a pump does once it was taken. */
function orderFrom(start: number): { order: DeliveryOrder; next: () => Place } {
  const order = new DeliveryOrder();
  let position = start;
  order.attach({
    get cursor() {
      return String(position);
    },
  });
  const next = (): Place => {
    const cursor = String(position + 1);
    const place = order.begin(
      new FeedEvent({ eventId: `e${cursor}`, name: 'sample', timestamp: '2026-01-01T00:00:00Z' }, cursor),
    );
    position++;
    return place as Place;
  };
  return { order, next };
}

it('DELIV-11 ORDER-02 gives each event its place, and a cursor that is safe', () => {
  const { order, next } = orderFrom(0);
  const [first, second, third] = [next(), next(), next()];
  expect([first, second, third].map(({ position, previous }) => [position, previous])).toEqual([
    ['1', null],
    ['2', '1'],
    ['3', '2'],
  ]);
  expect([order.cursorWith(first), order.cursorWith(second), order.cursorWith(third)]).toEqual(['1', '0', '0']);
  order.settle(second);
  expect([order.position, order.settled, order.isSettledBeyond('2'), order.isSettledBeyond('3')]).toEqual([
    '0',
    ['2'],
    true,
    false,
  ]);
  order.settle(first);
  expect([order.position, order.cursorWith(third)]).toEqual(['2', '3']);
});

it('DELIV-11 is never further ahead of an outstanding event than its places have room', () => {
  const { order, next } = orderFrom(0);
  const first = next();
  let count = 1;
  for (; !order.isTooFarAhead && count < 1_000_000; count++) order.settle(next());
  expect(count).toBe(200_000);
  expect(order.settled).toHaveLength(256);
  order.settle(first);
  expect([order.isTooFarAhead, order.position]).toEqual([false, '200000']);
});

it('DELIV-11 ENV-03 lets the position go on past what is held, and the cursor stay until it is released', () => {
  const { order, next } = orderFrom(0);
  const [lost, delivered] = [next(), next()];
  order.miss(lost);
  order.settle(delivered);
  expect([order.position, order.cursor, order.gapAfter]).toEqual(['0', '0', null]);
  order.hold(order.cursor, false, 0);
  expect([order.position, order.cursor, order.gapAfter]).toEqual(['2', '0', '0']);
  const third = next();
  expect(order.cursorWith(third)).toBe('0');
  order.settle(third);
  order.release();
  expect([order.position, order.cursor, order.gapAfter]).toEqual(['3', '3', null]);
});

it('TTL-10 OP-13 knows after a restart what was delivered, and until delivery goes on what the client misses', () => {
  const restored = new DeliveryOrder();
  restored.restore({ cursor: '4', settled: ['6'], gapAfter: '2' });
  expect([restored.position, restored.gapAfter, restored.settled]).toEqual(['4', '2', ['6']]);
  expect(restored.goOn()).toMatchObject({ gapAfter: '2' });
  restored.attach({ cursor: '5' });
  expect(restored.gapAfter).toBe(null);
  const seen = new FeedEvent({ eventId: 'e6', name: 'sample', timestamp: '2026-01-01T00:00:00Z' }, '6');
  expect(restored.begin(seen)).toBe(undefined);
  expect(restored.settled).toEqual([]);
});

it('ENV-03 names the latest 256 places of what is missing, and takes no more than 4,096', () => {
  const order = new DeliveryOrder();
  order.attach({ cursor: '0' });
  for (let position = 1; position <= 300; position++) order.missUpTo(String(position));
  expect(order.missing).toHaveLength(256);
  expect(order.missing.at(-1)).toEqual({ position: '300', previous: '299' });
  for (let position = 301; position <= 4_095; position++) order.missUpTo(String(position));
  expect(order.isTooFarAhead).toBe(false);
  order.missUpTo('4096');
  expect(order.isTooFarAhead).toBe(true);
});
