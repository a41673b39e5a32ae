import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FeedEvent } from '../src/occurrence/feedEvent.ts';
import { FakeClock } from './kit/fakeClock.ts';
import { memoryLog } from './kit/storage.ts';

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const), bytes: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 400 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('skip' as const) }) },
);

it('EMIT-08 keeps exactly what age, count and size allow, and reads it back in order', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.record({
        maxAgeMs: fc.integer({ min: 1, max: 1000 }),
        maxCount: fc.integer({ min: 1, max: 12 }),
        maxBytes: fc.integer({ min: 1, max: 200 }),
      }),
      (steps, retention) => {
        const clock = new FakeClock();
        const log = memoryLog(clock, retention);
        const kept: { position: number; bytes: number; atMs: number }[] = [];
        let head = 0;
        for (const s of steps) {
          if (s.kind === 'wait') clock.pass(s.ms);
          else if (s.kind === 'skip') {
            expect(log.skip().position).toBe(++head);
            kept.push({ position: head, bytes: 0, atMs: clock.now() });
          } else {
            head++;
            const timestamp = new Date(clock.now()).toISOString();
            const event = new FeedEvent({ eventId: `e${head}`, name: 'n', timestamp, data: {} }, null);
            expect(log.append(event, { byteLength: s.bytes, unique: true })).toBe(event);
            expect(event.position).toBe(head);
            kept.push({ position: head, bytes: s.bytes, atMs: clock.now() });
          }
          const size = (): number => kept.reduce((sum, entry) => sum + entry.bytes, 0);
          while (
            kept[0] !== undefined &&
            (kept.length > retention.maxCount ||
              size() > retention.maxBytes ||
              clock.now() - kept[0].atMs > retention.maxAgeMs)
          ) {
            kept.shift();
          }
          expect(log.head).toBe(head);
          expect(log.oldest).toBe(kept[0]?.position ?? head + 1);
          expect(log.read(0, 100).map((event) => event.position)).toEqual(kept.map((entry) => entry.position));
        }
      },
    ),
    { numRuns: 300 },
  );
});
