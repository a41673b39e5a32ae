import { describe, expect, it } from 'vitest';
import { MemoryDeadLetters } from '../src/storage/memoryDeadLetters.ts';

describe('dead letters', () => {
  const add = (letters: MemoryDeadLetters, subscriptionId: string, dataJson = '{}', _meta?: object): void => {
    const event = { eventId: 'e', name: 'counted', timestamp: '2026-01-01T00:00:00Z', dataJson, cursor: null };
    const meta = _meta === undefined ? {} : { _meta: { ..._meta } };
    letters.add({
      ...event,
      ...meta,
      subscriptionId,
      principal: 'alice',
      attempts: 5,
      reason: 'timeout',
      abandonedAt: '',
    });
  };
  it('DELIV-08 are bounded with their metadata', () => {
    const letters = new MemoryDeadLetters();
    const _meta = { text: 'x'.repeat(1024 * 1024) };
    for (let n = 0; n < 70; n++) add(letters, 'large', '{}', _meta);
    expect(letters.find({})).toHaveLength(63);
    for (const { number } of letters.find({})) letters.delete(number);
    for (let n = 0; n < 63; n++) add(letters, 'large', '{}', _meta);
    expect(letters.find({})).toHaveLength(63);
  });

  const numbers = (letters: MemoryDeadLetters, filter = {}): number[] =>
    letters.find(filter).map(({ number }) => number);

  it('DELIV-08 of one subscription do not push out those of others', () => {
    const letters = new MemoryDeadLetters();
    add(letters, 'quiet');
    for (let n = 0; n < 1_500; n++) add(letters, 'dead');
    expect(numbers(letters, { subscriptionId: 'quiet' })).toEqual([1]);
    const dead = numbers(letters, { subscriptionId: 'dead' });
    expect([dead.length, dead[0], dead.at(-1)]).toEqual([1_000, 502, 1_501]);
  });

  it('DELIV-08 are bounded in number and in size, and found by several members at once', () => {
    const letters = new MemoryDeadLetters();
    for (let n = 0; n < 10_100; n++) add(letters, `sub_${n % 100}`);
    expect(letters.find({})).toHaveLength(10_000);
    expect(letters.find({ subscriptionId: 'sub_1', number: 10_002 })).toHaveLength(1);
    expect(letters.find({ subscriptionId: 'sub_2', number: 10_002 })).toEqual([]);
    const large = JSON.stringify({ text: 'x'.repeat(1024 * 1024) });
    for (let n = 0; n < 70; n++) add(letters, 'large', large);
    expect(letters.find({})).toHaveLength(63);
    for (const number of numbers(letters)) letters.delete(number);
    letters.delete(1);
    expect(letters.find({})).toEqual([]);
    add(letters, 'large', large);
    expect(letters.find({})).toHaveLength(1);
  });
});
