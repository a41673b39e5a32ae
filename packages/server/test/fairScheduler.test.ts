import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultSchedulingLimits, FairScheduler } from '../src/delivery/webhook/scheduling/fairScheduler.ts';
import type { Flow, SchedulingLimits } from '../src/delivery/webhook/scheduling/fairScheduler.ts';
import type { HostOutcome } from '../src/delivery/webhook/scheduling/hostShare.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';

/** A scheduler whose attempts are listed as they start, and end when told. */
class World {
  readonly clock = new FakeClock();
  readonly scheduler: FairScheduler;
  readonly started: string[] = [];
  readonly #running = new Map<string, (outcome: HostOutcome) => void>();

  constructor(limits: Partial<SchedulingLimits> = {}) {
    this.scheduler = new FairScheduler(this.clock, { ...defaultSchedulingLimits, ...limits });
  }

  /** Queues attempts named after principal, host and number. */
  add(principal: string, host: string, count = 1): void {
    const flow = this.scheduler.join(principal, host);
    for (let n = 1; n <= count; n++) this.addNamed(flow, `${principal}>${host}#${n}`);
  }

  addNamed(flow: Flow, name: string): void {
    const run = (): Promise<HostOutcome> => {
      this.started.push(name);
      return new Promise((resolve) => this.#running.set(name, resolve));
    };
    this.scheduler.add(flow, { cancelled: false, run });
  }

  get running(): string[] {
    return [...this.#running.keys()];
  }

  async end(names: readonly string[], outcome: HostOutcome = 'answered'): Promise<void> {
    for (const name of names) {
      this.#running.get(name)?.(outcome);
      this.#running.delete(name);
    }
    await settle(2);
  }
}

describe('fairness', () => {
  it('takes turns between principals, however much one of them has waiting', async () => {
    const world = new World({ concurrency: 4 });
    world.add('greedy', 'a', 100);
    await settle(1);
    world.add('modest', 'b', 2);
    await world.end(world.running.slice(0, 4));
    expect(world.running.filter((name) => name.startsWith('modest'))).toHaveLength(2);
  });

  it('takes turns between the hosts of one principal', async () => {
    const world = new World({ concurrency: 2 });
    world.add('p', 'busy', 50);
    world.add('p', 'quiet', 1);
    await settle(1);
    expect(world.started.map((name) => name.split('#')[0])).toEqual(['p>busy', 'p>quiet']);
  });

  it('keeps sending to others while a host is at its limit', async () => {
    const world = new World({ hostConcurrency: 2 });
    world.add('p', 'slow', 50);
    world.add('p', 'fast', 3);
    world.add('q', 'slow', 5);
    await settle(1);
    expect(world.running.filter((name) => name.includes('>slow'))).toHaveLength(2);
    expect(world.running.filter((name) => name.includes('>fast'))).toHaveLength(2);
    await world.end(world.running.filter((name) => name.includes('>fast')));
    expect(world.started.filter((name) => name.includes('>fast'))).toHaveLength(3);
  });

  it('shares a host at its limit between principals', async () => {
    const world = new World({ hostConcurrency: 1 });
    world.add('p', 'h', 10);
    world.add('q', 'h', 10);
    for (let n = 0; n < 9; n++) {
      await settle(1);
      await world.end(world.running);
    }
    const ofP = world.started.filter((name) => name.startsWith('p')).length;
    expect(Math.abs(2 * ofP - world.started.length)).toBeLessThanOrEqual(1);
  });

  it('lets a host go on when the principal that was next in line is at its own limit', async () => {
    const world = new World({ hostConcurrency: 1, principalConcurrency: 1 });
    world.add('p', 'x', 1);
    await settle(1);
    world.add('q', 'h', 1);
    await settle(1);
    // p waits for h, and is at its limit because of x.
    world.add('p', 'h', 1);
    world.add('r', 'h', 1);
    await settle(1);
    await world.end(['q>h#1']);
    expect(world.running).toContain('r>h#1');
    await world.end(['p>x#1']);
    await world.end(['r>h#1']);
    expect(world.running).toEqual(['p>h#1']);
  });
});

describe('ended subscriptions', () => {
  it('DELIV-05 what is not wanted any more does not use up the room that its host has', async () => {
    const world = new World({ hostConcurrency: 1 });
    world.add('p', 'h', 1);
    await settle(1);
    // Both wait for the host; the first one ends meanwhile.
    const left = world.scheduler.join('q', 'h');
    const job = { cancelled: false, run: () => Promise.resolve('answered' as const) };
    world.scheduler.add(left, job);
    await settle(1);
    world.add('r', 'h', 1);
    await settle(1);
    job.cancelled = true;
    world.scheduler.leave(left);
    await world.end(['p>h#1']);
    expect(world.running).toEqual(['r>h#1']);
  });
});

describe('limits', () => {
  it('G5 gives a host that does not answer less and less, and one that answers more again', async () => {
    const world = new World({ hostConcurrency: 64 });
    world.add('p', 'h', 1_000);
    const sizes: number[] = [];
    for (let round = 0; round < 5; round++) {
      await settle(1);
      sizes.push(world.running.length);
      await world.end(world.running.slice(0, 1), 'unreachable');
      await world.end(world.running);
    }
    expect(sizes[0]).toBe(16);
    // One silence among so many answers is nothing.
    expect(Math.min(...sizes)).toBe(16);
    expect(sizes.at(-1)).toBeGreaterThan(30);
    const deaf = new World({ hostConcurrency: 64 });
    deaf.add('p', 'h', 1_000);
    await settle(1);
    for (let round = 0; round < 10; round++) await deaf.end(deaf.running, 'unreachable');
    expect(deaf.running).toHaveLength(1);
    for (let round = 0; round < 10; round++) await deaf.end(deaf.running, 'answered');
    expect(deaf.running).toHaveLength(64);
  });

  it('DELIV-20 leaves what the host answers to others alone while one principal gets no answer', async () => {
    const world = new World({ hostConcurrency: 64 });
    world.add('good', 'h', 10_000);
    await settle(1);
    for (let round = 0; round < 8; round++) await world.end(world.running);
    expect(world.running).toHaveLength(64);
    for (let bad = 0; bad < 20; bad++) world.add(`bad${bad}`, 'h', 1_000);
    const of = (name: string): string[] => world.running.filter((running) => running.startsWith(name));
    for (let round = 0; round < 50; round++) {
      await world.end(of('good'));
      // A time-out is a long time: now and then one of theirs is over.
      if (round % 5 === 4) await world.end(of('bad'), 'unreachable');
      expect(of('good').length).toBeGreaterThanOrEqual(32);
    }
    expect(of('bad').length).toBeLessThanOrEqual(20);
    // One of nobody's acquaintance is tried at once, before those that failed.
    world.add('new', 'h', 1);
    await world.end(of('good').slice(0, 2));
    expect(world.started).toContain('new>h#1');
  });

  it('DELIV-20 costs a dead host two attempts at a time, however many principals send to it', async () => {
    const world = new World({ hostConcurrency: 64 });
    for (let principal = 0; principal < 200; principal++) world.add(`p${principal}`, 'h', 10);
    await settle(1);
    expect(world.running).toHaveLength(16);
    for (let round = 0; round < 20; round++) await world.end(world.running, 'unreachable');
    expect(world.running).toHaveLength(2);
    // It comes back: the whole of it is used again.
    for (let round = 0; round < 20; round++) await world.end(world.running);
    expect(world.running.length).toBeGreaterThan(30);
  });

  /** A host of eight places that answered these, and has places for two trials. */
  async function answering(...names: string[]): Promise<World> {
    const world = new World({ hostConcurrency: 8 });
    for (const name of names) {
      world.add(name, 'h');
      await settle(1);
      await world.end(world.running);
    }
    world.add('dead', 'h', 8);
    await settle(1);
    await world.end(world.running, 'unreachable');
    return world;
  }

  it('DELIV-20 a flow that waits among those that are answered, and is none any more, keeps no room from others', async () => {
    const world = await answering('sinks', 'full', 'a', 'b', 'c');
    world.add('hangs', 'h', 2);
    await settle(1);
    world.add('sinks', 'h', 3);
    world.add('full', 'h', 3);
    await settle(1);
    expect(world.running).toHaveLength(8);
    for (const name of ['a', 'sinks', 'b', 'c']) {
      world.addNamed(world.scheduler.join(name, 'h'), `${name} waits`);
      await settle(1);
    }
    await world.end(
      world.running.filter((name) => name.startsWith('sinks')),
      'unreachable',
    );
    expect(world.running.filter((name) => name.endsWith('waits'))).toEqual(['a waits', 'b waits', 'c waits']);
  });

  it('DELIV-20 a flow that is answered while it waits for a trial waits with those that are answered', async () => {
    const world = await answering();
    world.add('late', 'h', 2);
    await settle(1);
    const [first] = world.running;
    for (const name of ['a', 'b', 'c', 'd', 'e', 'late']) {
      world.addNamed(world.scheduler.join(name, 'h'), `${name} waits`);
      await settle(1);
    }
    expect(world.running.filter((name) => name.endsWith('waits'))).toEqual([]);
    await world.end([first!]);
    expect(world.running).toContain('late waits');
  });

  it('DELIV-20 gives nobody a fresh burst or rate who subscribes again', async () => {
    const world = new World({ principalPerSecond: 3 });
    const flow = world.scheduler.join('p', 'h');
    for (let n = 0; n < 3; n++) world.addNamed(flow, `first#${n}`);
    await settle(1);
    for (let round = 0; round < 5; round++) await world.end(world.running, 'unreachable');
    expect(world.started).toHaveLength(3);
    world.scheduler.leave(flow);
    const again = world.scheduler.join('p', 'h');
    expect(again).toBe(flow);
    world.addNamed(again, 'again');
    await settle(1);
    expect(world.started).toHaveLength(3);
    // Only so many are remembered.
    world.scheduler.leave(again);
    for (let n = 0; n < 10_000; n++) world.scheduler.leave(world.scheduler.join('q', `h${n}`));
    expect(world.scheduler.join('p', 'h')).not.toBe(flow);
  });

  it('STATUS-05 keeps the rate of a host, tells how long it takes, and leaves others alone', async () => {
    const world = new World({ hostPerSecond: 2 });
    const flow = world.scheduler.join('p', 'h');
    expect(world.scheduler.throttledMs(flow)).toBe(0);
    world.add('p', 'h', 6);
    world.add('p', 'other', 1);
    await settle(1);
    expect(world.started).toHaveLength(3);
    expect(world.scheduler.throttledMs(flow)).toBe(500);
    await world.clock.advance(1_000);
    expect(world.started).toHaveLength(5);
    await world.clock.advance(1_000);
    expect(world.started).toHaveLength(7);
  });

  it('keeps the rate of a principal over all its hosts', async () => {
    const world = new World({ principalPerSecond: 3 });
    for (let host = 0; host < 10; host++) world.add('p', `h${host}`, 1);
    world.add('q', 'h0', 1);
    await settle(1);
    expect(world.started.filter((name) => name.startsWith('p'))).toHaveLength(3);
    expect(world.started).toContain('q>h0#1');
    // Waits are whole milliseconds.
    await world.clock.advance(1_002);
    expect(world.started.filter((name) => name.startsWith('p'))).toHaveLength(6);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('not sent'))],
    [
      'throws',
      () => {
        throw new Error('not sent');
      },
    ],
  ])('DELIV-18 an attempt that %s keeps neither its place nor others', async (_how, run) => {
    const world = new World({ hostConcurrency: 1 });
    world.scheduler.add(world.scheduler.join('p', 'host'), { cancelled: false, run });
    world.add('p', 'host');
    world.add('q', 'other');
    await settle();
    expect(world.started).toEqual(['q>other#1', 'p>host#1']);
    expect(world.scheduler.running).toBe(2);
  });

  it('passes over what was cancelled while it waited', async () => {
    const world = new World({ concurrency: 1 });
    world.add('p', 'h', 1);
    await settle(1);
    const flow = world.scheduler.join('p', 'h');
    const run = (): Promise<HostOutcome> => Promise.reject(new Error('must not run'));
    world.scheduler.add(flow, { cancelled: true, run });
    world.add('p', 'h2', 1);
    await world.end(['p>h#1']);
    expect(world.running).toEqual(['p>h2#1']);
  });
});

it('starts everything in the end, within all limits, for any load and any order of endings', async () => {
  const load = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 4 })),
    {
      minLength: 1,
      maxLength: 12,
    },
  );
  const limits = fc.record({
    concurrency: fc.integer({ min: 1, max: 6 }),
    hostConcurrency: fc.integer({ min: 1, max: 3 }),
    principalConcurrency: fc.integer({ min: 1, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(
      load,
      limits,
      fc.infiniteStream(fc.nat()),
      fc.infiniteStream(fc.boolean()),
      async (jobs, bounds, picks, answers) => {
        const world = new World(bounds);
        let expected = 0;
        for (const [principal, host, count] of jobs) {
          const flow = world.scheduler.join(`p${principal}`, `h${host}`);
          for (let n = 0; n < count; n++) {
            const name = `p${principal}>h${host}#${expected++}`;
            world.addNamed(flow, name);
          }
        }
        await settle(1);
        while (world.running.length > 0) {
          const { running } = world;
          expect(running.length).toBeLessThanOrEqual(bounds.concurrency);
          for (let at = 0; at < 4; at++) {
            expect(running.filter((name) => name.startsWith(`p${at}`)).length).toBeLessThanOrEqual(
              bounds.principalConcurrency,
            );
            expect(running.filter((name) => name.includes(`>h${at}#`)).length).toBeLessThanOrEqual(
              bounds.hostConcurrency,
            );
          }
          const pick = running[(picks.next().value as number) % running.length] as string;
          await world.end([pick], answers.next().value === true ? 'answered' : 'unreachable');
        }
        expect(world.started).toHaveLength(expected);
      },
    ),
    { numRuns: 60 },
  );
});
