import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { onAborted } from '../src/untilAborted.ts';

it('CLIENT-05 however many subscriptions wait for one connection, it has one listener, and none when nobody waits', () => {
  const controller = new AbortController();
  const { signal } = controller;
  const called: number[] = [];
  const forget = Array.from({ length: 50 }, (_, n) => onAborted(signal, () => called.push(n)));
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  forget[7]?.();
  for (const each of forget.slice(10)) each();
  controller.abort();
  expect(called).toEqual([0, 1, 2, 3, 4, 5, 6, 8, 9]);

  const other = new AbortController();
  const [first, second] = [1, 2].map((n) => onAborted(other.signal, () => called.push(n)));
  first?.();
  first?.();
  second?.();
  expect(getEventListeners(other.signal, 'abort')).toHaveLength(0);
  onAborted(other.signal, () => called.push(-1));
  other.abort();
  expect(called.at(-1)).toBe(-1);
  onAborted(other.signal, () => called.push(-2));
  expect(called.at(-1)).toBe(-2);
});

it('CLIENT-05 who waits twice is called twice, and who takes itself off while others are called is not', () => {
  const controller = new AbortController();
  let calls = 0;
  const count = (): void => void calls++;
  onAborted(controller.signal, count);
  onAborted(controller.signal, count);
  const forget = [() => {}];
  onAborted(controller.signal, () => forget[0]?.());
  forget[0] = onAborted(controller.signal, () => (calls += 100));
  controller.abort();
  expect(calls).toBe(2);
});
