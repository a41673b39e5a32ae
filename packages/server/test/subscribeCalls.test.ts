import { expect, it } from 'vitest';
import { SubscribeCalls } from '../src/requests/subscribeCalls.ts';

it('UNSUB-04 overtakes what is under way for this subscription, and nothing else', () => {
  const calls = new SubscribeCalls();
  const [first, second, other] = [calls.begin('a'), calls.begin('a'), calls.begin('b')];
  calls.overtake('a');
  const later = calls.begin('a');
  expect(first.assertCurrent).toThrow('The subscription has ended meanwhile');
  expect(second.assertCurrent).toThrow();
  expect(other.assertCurrent).not.toThrow();
  expect(later.assertCurrent).not.toThrow();
  expect(calls.size).toBe(2);
  for (const call of [first, second, other]) call.end();
  expect(calls.size).toBe(1);
  later.end();
  expect(calls.size).toBe(0);
});
