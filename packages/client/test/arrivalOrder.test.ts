import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArrivalOrder, type ArrivalOrderOptions } from '../src/receiver/arrivalOrder.ts';
import { FakeClock } from './support/fakeClock.ts';

interface Post {
  event: number;
  position: string;
  previous: string | null;
}

/** An order under test, and what it handed out: event numbers, and `gap` in between. */
class World {
  readonly clock = new FakeClock();
  readonly out: (number | 'gap')[] = [];
  readonly order: ArrivalOrder<Post>;

  constructor(options: Partial<ArrivalOrderOptions<Post>> = {}) {
    this.order = new ArrivalOrder<Post>({
      clock: this.clock,
      release: (post) => this.out.push(post.event),
      gap: () => this.out.push('gap'),
      ...options,
    });
  }

  take(post: Post, cursor?: string): 'taken' | 'late' {
    return this.order.take(post, post, 0, cursor);
  }

  /** As a receiver does that knows which events it took before. */
  receive(post: Post, seen: Set<number>): void {
    if (seen.has(post.event)) this.order.repeated(post, (waiting) => waiting.event === post.event);
    else this.take(post);
    seen.add(post.event);
  }
}

/** Posts of the events of one chain, in order. `place` gives an event its position. */
function chain(events: number[], place: (event: number) => string = (event) => `p${event}`): Post[] {
  return events.map((event, index) => ({
    event,
    position: place(event),
    previous: index === 0 ? null : place(events[index - 1]!),
  }));
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** The posts in any order, some of them more than once. */
function shuffled(posts: Post[]): fc.Arbitrary<Post[]> {
  return fc.array(fc.nat({ max: Math.max(0, posts.length - 1) }), { maxLength: posts.length }).chain((again) => {
    const all = posts.length === 0 ? [] : [...posts, ...again.map((index) => posts[index]!)];
    return fc.shuffledSubarray(all, { minLength: all.length });
  });
}

describe('ArrivalOrder', () => {
  it('ORDER-02 takes 50,000 that name one predecessor, which a server may do, in time that grows with their number only', () => {
    const world = new World({ maxWaiting: Infinity, maxWaitingBytes: Infinity });
    for (let n = 1; n <= 50_000; n += 1) world.take({ event: n, position: `p${n}`, previous: 'p0' });
    world.take({ event: 0, position: 'p0', previous: null });
    expect(world.out).toEqual(range(0, 50_000));
  });

  it('ORDER-02 releases any permutation with repetitions of a chain once and in order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 30 }).chain((count) => shuffled(chain(range(1, count)))),
        (arrivals) => {
          const world = new World();
          for (const [index, post] of arrivals.entries()) {
            const outcome = world.take(post);
            if (arrivals.indexOf(post) === index) expect(outcome).toBe('taken');
          }
          expect(world.out).toEqual([...new Set(arrivals.map(({ event }) => event))].toSorted((a, b) => a - b));
          expect(world.order.waiting).toBe(0);
          expect(world.clock.pendingTimers).toBe(0);
        },
      ),
    );
  });

  it('releases an arrival without order information at once', () => {
    const world = new World();
    const [, second] = chain([1, 2]);
    world.take(second!);
    expect(world.order.take({ event: 7, position: '', previous: null }, undefined)).toBe('taken');
    expect(world.out).toEqual([7]);
  });

  it('tells whether an arrival would have to wait', () => {
    const world = new World();
    const [first, second, third] = chain([1, 2, 3]);
    expect([undefined, first, second].map((order) => world.order.wouldWait(order))).toEqual([false, false, true]);
    world.take(first!);
    expect([second, third].map((order) => world.order.wouldWait(order))).toEqual([false, true]);
  });

  it('ORDER-02 hands out a long chain that arrives backwards', () => {
    const world = new World();
    for (const post of chain(range(1, 1_000)).toReversed()) world.take(post);
    expect(world.out).toEqual(range(1, 1_000));
  });

  it('goes on where an earlier process left off', () => {
    const world = new World({ passed: ['p1', 'p2'] });
    const posts = chain([1, 2, 3, 4]);
    world.take(posts[3]!);
    world.take(posts[1]!);
    expect(world.out).toEqual([]);
    world.take(posts[2]!);
    expect(world.out).toEqual([3, 4]);
  });

  describe('when a predecessor does not come', () => {
    it('ORDER-02 tells a gap after maxWaitMs and goes on', async () => {
      const world = new World({ maxWaitMs: 10_000 });
      const [first, , third, fourth, fifth] = chain([1, 2, 3, 4, 5]);
      world.take(first!);
      world.take(fourth!);
      await world.clock.advance(5_000);
      world.take(third!);
      await world.clock.advance(4_999);
      expect(world.out).toEqual([1]);
      await world.clock.advance(1);
      expect(world.out).toEqual([1, 'gap', 3, 4]);
      world.take(fifth!);
      expect(world.out).toEqual([1, 'gap', 3, 4, 5]);
      expect(world.clock.pendingTimers).toBe(0);
    });

    it('waits for the missing part of each run on its own', async () => {
      const world = new World({ maxWaitMs: 10_000 });
      const posts = chain(range(1, 7));
      for (const index of [0, 2]) world.take(posts[index]!);
      await world.clock.advance(3_000);
      for (const index of [6, 4]) world.take(posts[index]!);
      await world.clock.advance(7_000);
      expect(world.out).toEqual([1, 'gap', 3]);
      world.take(posts[3]!);
      expect(world.out).toEqual([1, 'gap', 3, 4, 5]);
      await world.clock.advance(3_000);
      expect(world.out).toEqual([1, 'gap', 3, 4, 5, 'gap', 7]);
    });

    it('reports late what belongs into a told gap, from either end of it, and does not release it', async () => {
      for (const order of [
        [2, 3, 4],
        [4, 3, 2],
        [2, 4, 3],
        [4, 2, 3],
      ]) {
        const world = new World();
        const posts = chain(range(1, 7));
        world.take(posts[0]!);
        world.take(posts[4]!);
        await world.clock.advance(60_000);
        expect(order.map((event) => world.take(posts[event - 1]!))).toEqual(['late', 'late', 'late']);
        for (const index of [5, 6]) expect(world.take(posts[index]!)).toBe('taken');
        expect(world.out).toEqual([1, 'gap', 5, 6, 7]);
      }
    });

    it('releases what it had taken when that turns out to lie in a told gap', async () => {
      const world = new World();
      const posts = chain(range(1, 6));
      world.take(posts[0]!);
      world.take(posts[5]!);
      await world.clock.advance(60_000);
      expect(world.take(posts[2]!)).toBe('taken');
      expect(world.take(posts[1]!)).toBe('taken');
      expect(world.out).toEqual([1, 'gap', 6, 2, 3]);
    });

    it('tells a gap when more than maxWaiting wait', () => {
      const world = new World({ maxWaiting: 3 });
      const posts = chain(range(1, 8));
      for (const event of [4, 6, 8]) world.take(posts[event - 1]!);
      expect(world.out).toEqual([]);
      world.take(posts[6]!);
      expect(world.out).toEqual(['gap', 4]);
      expect(world.order.waiting).toBe(3);
      expect(world.take(posts[2]!)).toBe('late');
      expect(world.take(posts[4]!)).toBe('taken');
      expect(world.out).toEqual(['gap', 4, 5, 6, 7, 8]);
    });

    it('tells a gap when the waiting ones hold more than maxWaitingBytes', () => {
      const world = new World({ maxWaitingBytes: 100 });
      const posts = chain(range(1, 6));
      for (const event of [2, 4]) world.order.take(posts[event - 1]!, posts[event - 1], 50);
      expect(world.out).toEqual([]);
      world.order.take(posts[5]!, posts[5], 1);
      expect(world.out).toEqual(['gap', 2]);
      world.order.take(posts[2]!, posts[2], 100);
      expect(world.out).toEqual(['gap', 2, 3, 4]);
    });

    it('gives each arrival back exactly once, released or truly late, and holds nothing in the end', async () => {
      const worlds = fc.integer({ min: 1, max: 15 }).chain((count) =>
        fc.record({
          arrivals: shuffled(chain(range(1, count))).chain((posts) => fc.subarray(posts)),
          waitsMs: fc.array(fc.constantFrom(0, 0, 0, 30_000, 60_000), { minLength: 40, maxLength: 40 }),
          maxWaiting: fc.integer({ min: 0, max: 10 }),
          settleAt: fc.option(fc.nat({ max: 20 })),
        }),
      );
      await fc.assert(
        fc.asyncProperty(worlds, async ({ arrivals, waitsMs, maxWaiting, settleAt }) => {
          const world = new World({ maxWaiting });
          const late: number[] = [];
          for (const [index, post] of arrivals.entries()) {
            const isNew = arrivals.indexOf(post) === index;
            if (world.take(post) === 'late' && isNew) {
              late.push(post.event);
              expect(world.out.some((item) => item !== 'gap' && item > post.event)).toBe(true);
            }
            if (index === settleAt) world.order.settle();
            expect(world.order.waiting).toBeLessThanOrEqual(maxWaiting);
            await world.clock.advance(waitsMs[index]!);
          }
          await world.clock.advance(60_000);
          const released = world.out.filter((item) => item !== 'gap');
          expect([...released, ...late].toSorted((a, b) => a - b)).toEqual(
            [...new Set(arrivals.map(({ event }) => event))].toSorted((a, b) => a - b),
          );
          expect(world.order.waiting).toBe(0);
          expect(world.clock.pendingTimers).toBe(0);
        }),
      );
    });

    it('is never out of order without a gap told in between', async () => {
      const worlds = fc.integer({ min: 1, max: 15 }).chain((count) =>
        fc.record({
          arrivals: shuffled(chain(range(1, count))).chain((posts) => fc.subarray(posts)),
          waitsMs: fc.array(fc.constantFrom(0, 30_000), { minLength: 40, maxLength: 40 }),
        }),
      );
      await fc.assert(
        fc.asyncProperty(worlds, async ({ arrivals, waitsMs }) => {
          const world = new World();
          for (const [index, post] of arrivals.entries()) {
            world.take(post);
            await world.clock.advance(waitsMs[index]!);
          }
          await world.clock.advance(60_000);
          const gap = world.out.indexOf('gap');
          const before = gap === -1 ? world.out : world.out.slice(0, gap);
          expect(before).toEqual(range(1, before.length));
        }),
      );
    });
  });

  describe('what is late', () => {
    it('ORDER-02 comes before those that wait for it', async () => {
      const world = new World();
      const posts = chain(range(1, 9));
      world.take(posts[0]!);
      world.take(posts[4]!);
      await world.clock.advance(60_000);
      expect(world.out).toEqual([1, 'gap', 5]);
      // It follows the place before the gap, and so lies in it, with what follows there.
      world.take(posts[2]!);
      expect(world.out).toEqual([1, 'gap', 5]);
      expect(world.take(posts[1]!)).toBe('taken');
      expect(world.out).toEqual([1, 'gap', 5, 2, 3]);
      expect(world.take(posts[3]!)).toBe('late');
      expect(world.take(posts[5]!)).toBe('taken');
      expect(world.out).toEqual([1, 'gap', 5, 2, 3, 6]);
    });
  });

  describe('settle', () => {
    it('CUR-13 releases what waits without a second gap, and waits for nothing before it', async () => {
      const world = new World();
      const posts = chain(range(1, 8));
      for (const event of [1, 6, 3, 4]) world.take(posts[event - 1]!);
      world.order.settle();
      expect(world.out).toEqual([1, 6, 3, 4]);
      expect(world.take(posts[1]!)).toBe('late');
      expect(world.take(posts[6]!)).toBe('taken');
      expect(world.out).toEqual([1, 6, 3, 4, 7]);
      await world.clock.advance(60_000);
      expect(world.out).not.toContain('gap');
    });

    it('CUR-13 ORDER-09 goes on at once and without a second gap when the next event says that nothing before it is outstanding', async () => {
      const world = new World();
      const posts = chain(range(1, 6));
      world.take(posts[0]!);
      world.order.settle();
      world.take(posts[3]!, 'p1');
      expect(world.out).toEqual([1]);
      world.take(posts[2]!, 'p3');
      expect(world.out).toEqual([1, 3, 4]);
      // What comes next is no matter of that gap.
      world.take(posts[5]!, 'p6');
      await world.clock.advance(59_999);
      expect(world.out).toEqual([1, 3, 4]);
      await world.clock.advance(1);
      expect(world.out).toEqual([1, 3, 4, 'gap', 6]);
    });

    it.each([['p1'], [undefined]])(
      'ORDER-09 waits after it for what is outstanding as long as ever, and tells when that does not come (cursor %s)',
      async (cursor) => {
        const world = new World();
        const posts = chain(range(1, 4));
        world.take(posts[0]!);
        world.order.settle();
        world.take(posts[2]!, cursor);
        await world.clock.advance(59_999);
        expect(world.out).toEqual([1]);
        await world.clock.advance(1);
        expect(world.out).toEqual([1, 'gap', 3]);
        expect(world.take(posts[1]!)).toBe('late');
      },
    );

    it('ORDER-09 hands out nothing before others that wait and may lie before it', async () => {
      const world = new World();
      const posts = chain(range(1, 7));
      world.take(posts[0]!);
      world.order.settle();
      world.take(posts[2]!, 'p1');
      world.take(posts[4]!, 'p5');
      expect(world.out).toEqual([1]);
      world.take(posts[1]!, 'p3');
      expect(world.out).toEqual([1, 2, 3, 5]);
    });

    it.each<[string, (world: World) => void]>([
      [
        'comes again at the start of a chain',
        (world) => {
          const post = { event: 4, position: 'p4', previous: 'p3' };
          world.take(post, 'p2');
          world.take({ ...post, previous: null });
        },
      ],
      [
        'comes again behind one that is known',
        (world) => {
          const post = { event: 4, position: 'p4', previous: 'p3' };
          world.take(post, 'p2');
          world.take({ ...post, previous: 'p2' });
        },
      ],
      [
        'a new chain leads to',
        (world) => {
          world.take({ event: 4, position: 'p4', previous: 'q1' }, 'p2');
          world.take({ event: 1, position: 'q1', previous: null });
        },
      ],
    ])('ORDER-09 is over with the next event that goes on, also if it waited and %s', async (_, goOn) => {
      const world = new World();
      world.take({ event: 2, position: 'p2', previous: null });
      world.order.settle();
      goOn(world);
      expect(world.out.at(-1)).toBe(4);
      const before = [...world.out];
      world.take({ event: 6, position: 'p6', previous: 'p5' }, 'p6');
      expect(world.out).toEqual(before);
      await world.clock.advance(60_000);
      expect(world.out).toEqual([...before, 'gap', 6]);
    });

    it('ORDER-09 RECV-17 says nothing of what follows the event before it, once a chain begins with one that is known', () => {
      const world = new World();
      const [first, second] = chain([1, 2]);
      world.take(first!);
      world.take(second!);
      world.take({ event: 6, position: 'p6', previous: 'p5' });
      world.order.settle();
      expect(world.out).toEqual([1, 2, 6]);
      world.order.repeated({ position: 'q1', previous: null }, () => false);
      // In the chain of before it would have been one of the missing ones.
      expect(world.take({ event: 7, position: 'q2', previous: 'p2' })).toBe('taken');
      expect(world.out).toEqual([1, 2, 6, 7]);
    });
  });

  describe('a gap that names what is missing', () => {
    it('ORDER-02 keeps the order exactly, whenever it comes, and makes nobody wait', () => {
      const worlds = fc.integer({ min: 2, max: 15 }).chain((count) => {
        const posts = chain(range(1, count));
        return fc.subarray(posts).chain((missing) =>
          fc.record({
            missing: fc.constant(missing),
            arrivals: shuffled(posts.filter((post) => !missing.includes(post))),
            gapAt: fc.nat({ max: 2 * count }),
          }),
        );
      });
      fc.assert(
        fc.property(worlds, ({ missing, arrivals, gapAt }) => {
          const world = new World();
          const at = Math.min(gapAt, arrivals.length);
          for (const post of arrivals.slice(0, at)) world.take(post);
          world.order.settle(missing);
          for (const post of arrivals.slice(at)) world.take(post);
          if (missing.length === 0) return;
          expect(world.out).toEqual([...new Set(arrivals.map(({ event }) => event))].toSorted((a, b) => a - b));
          expect([world.order.waiting, world.clock.pendingTimers]).toEqual([0, 0]);
        }),
      );
    });

    it('ORDER-02 hands out one that came all the same', () => {
      const world = new World();
      const posts = chain(range(1, 4));
      for (const event of [4, 3]) world.take(posts[event - 1]!);
      // The server never learnt that the third one arrived.
      world.order.settle(posts.slice(1, 3));
      expect(world.out).toEqual([]);
      world.take(posts[0]!);
      expect(world.out).toEqual([1, 3, 4]);
    });

    it('ORDER-02 hands out in its turn one that comes after the gap, and before those that precede it', () => {
      const world = new World();
      const posts = chain(range(1, 4));
      world.order.settle([posts[2]!]);
      for (const event of [4, 3, 2, 1]) world.take(posts[event - 1]!);
      expect(world.out).toEqual([1, 2, 3, 4]);
      expect(world.order.waiting).toBe(0);
    });

    it('ORDER-02 CUR-13 waits for what it does not name as long as ever, and tells when that does not come', async () => {
      const world = new World();
      const posts = chain(range(1, 7));
      world.take(posts[0]!);
      world.order.settle([posts[1]!]);
      world.take(posts[3]!);
      await world.clock.advance(59_999);
      world.take(posts[2]!);
      expect(world.out).toEqual([1, 3, 4]);
      world.order.settle([posts[4]!]);
      world.take(posts[6]!);
      await world.clock.advance(60_000);
      expect(world.out).toEqual([1, 3, 4, 'gap', 7]);
    });

    it('CUR-13 is no second gap when what the place comes after was forgotten here', async () => {
      const world = new World();
      for (const post of chain(range(1, 1_100))) world.take(post);
      world.out.length = 0;
      // Its event was given up long ago, and nobody could be told.
      world.order.settle([
        { position: 'lost', previous: 'p10' },
        { position: 'lost, too', previous: 'lost' },
      ]);
      await world.clock.advance(60_000);
      world.take({ event: 1_101, position: 'p1101', previous: 'p1100' });
      expect(world.out).toEqual([1_101]);
      expect([world.order.waiting, world.clock.pendingTimers]).toEqual([0, 0]);
    });

    it('ORDER-02 CUR-13 keeps the order behind one that takes longer than others wait', async () => {
      const world = new World();
      const posts = chain(range(1, 5));
      world.take(posts[0]!);
      world.order.settle(posts.slice(2, 4));
      await world.clock.advance(300_000);
      world.take(posts[1]!);
      world.take(posts[4]!);
      expect(world.out).toEqual([1, 2, 5]);
      expect([world.order.waiting, world.clock.pendingTimers]).toEqual([0, 0]);
    });

    it('ORDER-02 keeps a bounded number of places whose turn does not come, the latest', () => {
      const world = new World();
      const missing = range(1, 1_001).map((n) => ({ position: `m${n}`, previous: `p${n}` }));
      world.order.settle(missing);
      for (const n of [1, 2]) {
        world.take({ event: n + 10, position: `f${n}`, previous: `m${n}` });
        world.take({ event: n, position: `p${n}`, previous: n === 1 ? null : `p${n - 1}` });
      }
      expect(world.out).toEqual([1, 2, 12]);
      expect(world.order.waiting).toBe(1);
    });

    it('ORDER-02 keeps waiting for what is on its way when the first event of the subscription is missing', async () => {
      const world = new World();
      const posts = chain(range(1, 4));
      for (const event of [2, 4]) world.take(posts[event - 1]!);
      world.order.settle([posts[0]!]);
      expect(world.out).toEqual([2]);
      await world.clock.advance(59_999);
      expect(world.take(posts[2]!)).toBe('taken');
      expect(world.out).toEqual([2, 3, 4]);
    });

    it('ORDER-02 keeps waiting for what a server that began anew sends again behind a missing event', () => {
      const world = new World();
      const posts = chain(range(1, 5));
      for (const event of [1, 2, 5]) world.take(posts[event - 1]!);
      // It died before the third and the fourth one were acknowledged, and has lost the third.
      world.order.settle([{ ...posts[2]!, previous: null }]);
      expect(world.out).toEqual([1, 2]);
      world.take(posts[3]!);
      expect(world.out).toEqual([1, 2, 4, 5]);
    });

    it('ORDER-02 releases what waits at a place with nothing before it, behind what leads there and ahead of the rest', () => {
      const world = new World();
      const posts = chain(range(1, 4));
      const [tenth, eleventh, twelfth] = range(10, 12).map((event) => ({
        event,
        position: `n${event}`,
        previous: `n${event - 1}`,
      }));
      for (const post of [posts[0]!, posts[3]!, posts[2]!, twelfth!]) world.take(post);
      // The server began anew without the second one, and knows of the fourth that it was acknowledged.
      world.order.settle([
        { ...posts[3]!, previous: null },
        { position: 'n9', previous: null },
      ]);
      expect(world.out).toEqual([1, 3, 4]);
      for (const post of [eleventh!, tenth!]) world.take(post);
      expect(world.out).toEqual([1, 3, 4, 10, 11, 12]);
      expect(world.take(posts[1]!)).toBe('late');
    });

    it('ORDER-02 CUR-13 waits within its bounds behind what is lost without being named', async () => {
      const world = new World();
      const posts = chain(range(1, 3));
      for (const event of [1, 3]) world.take(posts[event - 1]!);
      world.order.settle([{ position: 'n9', previous: null }]);
      world.take({ event: 10, position: 'n10', previous: 'n9' });
      await world.clock.advance(60_000);
      expect(world.out).toEqual([1, 10, 'gap', 3]);
    });
  });

  describe('when the server restarts', () => {
    it('ORDER-02 follows a new chain at once', () => {
      const world = new World();
      const old = chain([1, 2, 3]);
      world.take(old[0]!);
      for (const post of chain([2, 3], (event) => `n${event}`)) world.take(post);
      expect(world.out).toEqual([1, 2, 3]);
    });

    it('ORDER-02 ORDER-03 keeps the order when everything after the watermark is sent again, at new places', () => {
      const worlds = fc.record({ sent: fc.integer({ min: 1, max: 12 }), more: fc.nat({ max: 6 }) }).chain((shape) =>
        fc
          .record({
            shape: fc.constant(shape),
            before: shuffled(chain(range(1, shape.sent))).chain((posts) => fc.subarray(posts)),
            forgotten: fc.nat({ max: 3 }),
          })
          .chain(({ before, forgotten }) => {
            const taken = new Set(before.map(({ event }) => event));
            const missing = range(1, shape.sent + 1).find((event) => !taken.has(event))!;
            const watermark = Math.max(1, missing - forgotten);
            const again = chain(range(watermark, shape.sent + shape.more), (event) => `n${event}`);
            return fc.record({ before: fc.constant(before), after: shuffled(again), last: fc.constant(shape) });
          }),
      );
      fc.assert(
        fc.property(worlds, ({ before, after, last }) => {
          const world = new World();
          const seen = new Set<number>();
          for (const post of [...before, ...after]) world.receive(post, seen);
          expect(world.out).toEqual(range(1, last.sent + last.more));
          expect(world.order.waiting).toBe(0);
        }),
        { numRuns: 500 },
      );
    });

    it('ORDER-02 ORDER-03 keeps the order when only what was not acknowledged is sent again, at the same places', () => {
      const worlds = fc.record({ sent: fc.integer({ min: 1, max: 12 }), more: fc.nat({ max: 6 }) }).chain((shape) =>
        shuffled(chain(range(1, shape.sent)))
          .chain((posts) => fc.subarray(posts))
          .chain((before) => {
            const taken = new Set(before.map(({ event }) => event));
            const again = chain(range(1, shape.sent + shape.more).filter((event) => !taken.has(event)));
            return fc.record({ before: fc.constant(before), after: shuffled(again), last: fc.constant(shape) });
          }),
      );
      fc.assert(
        fc.property(worlds, ({ before, after, last }) => {
          const world = new World();
          const seen = new Set<number>();
          for (const post of [...before, ...after]) world.receive(post, seen);
          expect(world.out).toEqual(range(1, last.sent + last.more));
        }),
        { numRuns: 500 },
      );
    });

    it('ORDER-08 a new chain waits until it leads to what waits, and goes on when that has come', () => {
      const world = new World();
      const posts = chain(range(1, 6));
      for (const event of [1, 5]) world.take(posts[event - 1]!);
      // Sent again from the second one on, in any order.
      for (const post of [posts[3]!, { ...posts[1]!, previous: null }]) world.take(post);
      expect(world.out).toEqual([1]);
      expect(world.order.waiting).toBe(3);
      world.take(posts[2]!);
      expect(world.out).toEqual([1, 2, 3, 4, 5]);
      expect([world.order.waiting, world.clock.pendingTimers]).toEqual([0, 0]);
    });

    it('ORDER-08 a new chain comes behind what its server counted as delivered, whatever becomes of that', async () => {
      for (const comes of [true, false]) {
        const world = new World();
        const posts = chain(range(1, 3));
        for (const event of [1, 3]) world.take(posts[event - 1]!);
        for (const post of chain([4, 5])) world.take(post);
        expect(world.out).toEqual([1]);
        await world.clock.advance(59_999);
        if (comes) world.take(posts[1]!);
        await world.clock.advance(1);
        expect(world.out).toEqual(comes ? [1, 2, 3, 4, 5] : [1, 'gap', 3, 4, 5]);
        expect([world.order.waiting, world.clock.pendingTimers]).toEqual([0, 0]);
      }
    });

    it('ORDER-08 several chains that began meanwhile go on in the order they began', () => {
      const world = new World();
      const posts = chain(range(1, 3));
      for (const event of [1, 3]) world.take(posts[event - 1]!);
      for (const events of [
        [4, 5],
        [6, 7],
      ]) {
        for (const post of chain(events).toReversed()) world.take(post);
      }
      expect(world.out).toEqual([1]);
      world.take(posts[1]!);
      expect(world.out).toEqual([1, 2, 3, 4, 5, 6, 7]);
    });

    it('ORDER-08 what waits, and begins a chain when it is sent again, waits for the others', () => {
      const world = new World();
      const posts = chain(range(1, 7));
      for (const event of [1, 3, 6]) world.take(posts[event - 1]!);
      world.order.repeated({ position: 'p6', previous: null }, (waiting) => waiting.event === 6);
      world.take(posts[6]!);
      expect(world.out).toEqual([1]);
      world.take(posts[1]!);
      expect(world.out).toEqual([1, 2, 3, 6, 7]);
    });

    it('ORDER-08 the first chain begins at once, and so does a later one where nothing waits', () => {
      const world = new World();
      const posts = chain(range(1, 3));
      world.take(posts[2]!);
      world.take(posts[0]!);
      expect(world.out).toEqual([1]);
      world.take(posts[1]!);
      for (const post of chain([4])) world.take(post);
      expect(world.out).toEqual([1, 2, 3, 4]);
    });

    it('ORDER-08 asks before a gap whether everything is sent again, if a chain waits to begin', async () => {
      for (const hasChain of [true, false]) {
        let asked = 0;
        const world: World = new World({
          restart: () => {
            asked += 1;
            world.order.close();
            return true;
          },
        });
        const posts = chain(range(1, 3));
        for (const event of [1, 3]) world.take(posts[event - 1]!);
        if (hasChain) world.take(chain([4])[0]!);
        await world.clock.advance(60_000);
        expect([asked, world.out]).toEqual(hasChain ? [1, [1]] : [0, [1, 'gap', 3]]);
        expect(world.clock.pendingTimers).toBe(0);
      }
    });

    it('ORDER-08 tells that a chain would wait only where it may', () => {
      const world = new World();
      const posts = chain(range(1, 3));
      const begins = { position: 'p9', previous: null };
      world.take(posts[2]!);
      expect(world.order.wouldWait(begins)).toBe(false);
      world.take(posts[0]!);
      expect(world.order.wouldWait(begins)).toBe(true);
      world.take(posts[1]!);
      expect(world.order.wouldWait(begins)).toBe(false);
    });

    it('recognises a late arrival in the new chain by its place, and releases other events after the gap', async () => {
      const world = new World();
      const posts = chain(range(1, 5));
      world.take(posts[0]!);
      world.take(posts[2]!);
      await world.clock.advance(60_000);
      expect(world.take({ ...posts[1]!, previous: null })).toBe('late');
      expect(world.take({ event: 4, position: 'p4', previous: 'p2' })).toBe('taken');
      expect(world.out).toEqual([1, 'gap', 3, 4]);
    });

    it('ORDER-02 keeps what followed an event behind it when that event alone is sent again at another place', () => {
      const world = new World();
      const posts = chain([1, 2, 3, 4]);
      const seen = new Set<number>();
      for (const event of [1, 4, 3]) world.receive(posts[event - 1]!, seen);
      const again = chain([2, 3, 5], (event) => `n${event}`);
      for (const post of again.toReversed()) world.receive(post, seen);
      expect(world.out).toEqual([1, 2, 3, 4, 5]);
    });

    it('reports an event at a place that was released before as late, as of a server that uses places twice', () => {
      const world = new World();
      for (const post of chain([1, 2])) world.take(post);
      expect(chain([3, 4], (event) => `p${event - 2}`).map((post) => world.take(post))).toEqual(['late', 'late']);
    });

    it('moves a waiting event to the place it is sent again at', () => {
      const world = new World();
      const [, , third] = chain([1, 2, 3]);
      world.take(third!);
      world.order.repeated({ position: 'n3', previous: null }, (waiting) => waiting.event === 3);
      expect(world.out).toEqual([3]);
      world.take({ event: 4, position: 'p4', previous: 'p2' });
      expect(world.order.waiting).toBe(1);
    });
  });

  describe('under hostile positions', () => {
    it('survives circles and any other tangle, with bounded memory', async () => {
      const place = fc.constantFrom('a', 'b', 'c', 'd', 'e');
      const kind = fc.constantFrom('new', 'repeated', 'missing');
      const posts = fc.array(fc.record({ position: place, previous: fc.option(place), kind }));
      await fc.assert(
        fc.asyncProperty(posts, fc.integer({ min: 0, max: 4 }), async (arrivals, maxWaiting) => {
          const world = new World({ maxWaiting });
          for (const [event, { kind: what, ...order }] of arrivals.entries()) {
            if (order.position === order.previous) continue;
            if (what === 'repeated') world.order.repeated(order, (waiting) => waiting.event === event - 1);
            else if (what === 'missing') world.order.settle([order]);
            else world.take({ event, ...order });
            expect(world.order.waiting).toBeLessThanOrEqual(maxWaiting);
          }
          await world.clock.advance(60_000);
          expect(world.order.waiting).toBe(0);
          expect(world.clock.pendingTimers).toBe(0);
        }),
      );
    });
  });

  it('drops what waits and stops its timer when closed, also from within release', async () => {
    const world = new World();
    const posts = chain(range(1, 4));
    world.take(posts[2]!);
    world.order.close();
    for (const post of posts) expect(world.take(post)).toBe('taken');
    world.order.settle();
    await world.clock.advance(60_000);
    expect(world.out).toEqual([]);
    expect(world.clock.pendingTimers).toBe(0);

    const released: number[] = [];
    const order = new ArrivalOrder<Post>({
      clock: world.clock,
      release: ({ event }) => {
        released.push(event);
        order.close();
      },
      gap: () => {},
    });
    for (const post of posts.toReversed()) order.take(post, post);
    expect(released).toEqual([1]);
    expect(world.clock.pendingTimers).toBe(0);
  });
});
