import { expect, it } from 'vitest';
import { Waiting } from '../src/demo/waiting.ts';
import { ManualClock } from './kit/clock.ts';

it('waits for a state, not for time', async () => {
  const waiting = new Waiting(new ManualClock(), 1_000);
  let ready = false;
  let resolved = false;
  const wait = waiting.until('it', () => ready).then(() => (resolved = true));
  waiting.changed();
  await Promise.resolve();
  expect(resolved).toBe(false);
  ready = true;
  waiting.changed();
  await wait;
});

it('fails at the deadline and says what it waited for', async () => {
  const clock = new ManualClock();
  const waiting = new Waiting(clock, 5_000);
  const wait = waiting.until('the server to listen', () => false);
  clock.fire();
  await expect(wait).rejects.toThrow('Not finished within 5 s. Waited for the server to listen.');
  expect(() => waiting.assertGoing()).toThrow('Not finished');
});

it('has no deadline any more once it ended', () => {
  const clock = new ManualClock();
  const waiting = new Waiting(clock, 5_000);
  waiting.end();
  expect(clock.delaysMs).toEqual([]);
  expect(() => waiting.assertGoing()).not.toThrow();
});

it('fails everything with the first failure', async () => {
  const waiting = new Waiting(new ManualClock(), 1_000);
  const wait = waiting.until('it', () => false);
  waiting.fail(new Error('first'));
  waiting.fail(new Error('second'));
  await expect(wait).rejects.toThrow('first');
  await expect(waiting.until('it', () => true)).rejects.toThrow('first');
});
