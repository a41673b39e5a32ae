import { describe, expect, it } from 'vitest';
import { FrameBody } from '../src/delivery/push/frameBody.ts';
import { Heartbeats } from '../src/delivery/push/heartbeats.ts';
import { TurnFlusher } from '../src/delivery/push/turnFlusher.ts';
import { Pump } from '../src/delivery/pump.ts';
import type { FeedEvent } from '../src/occurrence/feedEvent.ts';
import { LiveFeed } from '../src/feed/liveFeed.ts';
import { LogFeed } from '../src/feed/logFeed.ts';
import { memoryLog } from './kit/storage.ts';
import { Selection } from '../src/subscription/selection.ts';
import type { SelectionRules } from '../src/subscription/selection.ts';
import { ListChanged } from '../src/transport/listChanged.ts';
import { listenOverHttp } from '../src/transport/listenOverHttp.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { FrameReader } from './kit/frames.ts';

function bodyOf(maxBufferedBytes: number): { body: FrameBody; rooms: () => number; cancels: () => number } {
  let [rooms, cancels] = [0, 0];
  const body = new FrameBody({
    maxBufferedBytes,
    flusher: new TurnFlusher(new FakeClock()),
    onRoom: () => rooms++,
    onCancel: () => cancels++,
  });
  return { body, rooms: () => rooms, cancels: () => cancels };
}

const bytes = (letters: string): Uint8Array => new TextEncoder().encode(letters);

const text = (chunk: Uint8Array | undefined): string | undefined =>
  chunk === undefined ? undefined : new TextDecoder().decode(chunk);

describe('frame body', () => {
  it('PUSH-12 refuses beyond its bound and tells once when there is room again', async () => {
    const { body, rooms } = bodyOf(10);
    const first = body.nextChunk();
    expect(['12345', '67890', 'x', 'y'].map((letters) => body.write(bytes(letters)))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(text(await first)).toBe('1234567890');
    // What the consumer has not drained still counts.
    expect([rooms(), body.write(bytes('x'))]).toEqual([0, false]);
    const next = body.nextChunk();
    expect([rooms(), body.write(bytes('x'))]).toEqual([1, true]);
    expect(text(await next)).toBe('x');
    void body.nextChunk();
    expect(rooms()).toBe(1);
  });

  it('PUSH-12 one text always fits into an empty body, however large', async () => {
    const { body } = bodyOf(4);
    expect(body.write(bytes('larger than the bound'))).toBe(true);
    expect(body.write(bytes('x'))).toBe(false);
    expect(text(await body.nextChunk())).toBe('larger than the bound');
  });

  it('PUSH-13 takes the last text whatever the bound, ends after it, and takes nothing more', async () => {
    const { body, cancels } = bodyOf(4);
    body.write(bytes('1234'));
    body.append(bytes('last'));
    body.end();
    body.end();
    expect(body.write(bytes('late'))).toBe(true);
    body.append(bytes('later'));
    expect(text(await body.nextChunk())).toBe('1234last');
    expect(await body.nextChunk()).toBeUndefined();
    expect(cancels()).toBe(0);
  });

  it('PUSH-05 writes once per turn what a turn brought', async () => {
    const { body } = bodyOf(1_000);
    const next = body.nextChunk();
    for (const letter of 'abc') body.write(bytes(letter));
    expect(text(await next)).toBe('abc');
  });

  it.each(['reader', 'iterator'])(
    'PUSH-14 tells once when its %s goes away, and lets a waiting one go',
    async (how) => {
      const { body, cancels } = bodyOf(1_000);
      body.write(bytes('a'));
      if (how === 'reader') {
        const reader = body.stream.getReader();
        expect(text((await reader.read()).value)).toBe('a');
        await reader.cancel();
      } else {
        for await (const chunk of body.stream) {
          expect(text(chunk)).toBe('a');
          break;
        }
      }
      body.cancel();
      expect(cancels()).toBe(1);
      expect(body.write(bytes('b'))).toBe(true);
    },
  );

  it('PUSH-14 a reader that waits is told the end when the body is cancelled', async () => {
    const { body } = bodyOf(1_000);
    const reader = body.stream.getReader();
    const waiting = reader.read();
    await settle();
    body.cancel();
    expect(await waiting).toMatchObject({ done: true });
  });
});

describe('heartbeats', () => {
  it('PUSH-09 PUSH-10 calls everyone once per interval, spread over it, with one timer', async () => {
    const clock = new FakeClock();
    const heartbeats = new Heartbeats(clock, 10_000);
    expect(clock.pendingTimers).toBe(0);
    const beats = Array.from({ length: 25 }, () => [] as number[]);
    const startMs = clock.now();
    const remove = beats.map((times) => heartbeats.add(() => times.push(clock.now() - startMs)));
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(30_000);
    for (const times of beats) {
      expect(times).toHaveLength(3);
      expect((times[1] as number) - (times[0] as number)).toBe(10_000);
    }
    expect(new Set(beats.map(([first]) => first)).size).toBeGreaterThan(5);
    for (const leave of [...remove, ...remove]) leave();
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(30_000);
    expect(beats[0]).toHaveLength(3);
    heartbeats.add(() => beats[0]?.push(0))();
    expect(clock.pendingTimers).toBe(0);
  });

  it('PUSH-10 the first comes within one interval, whenever somebody joins', async () => {
    const clock = new FakeClock();
    const heartbeats = new Heartbeats(clock, 10_000);
    heartbeats.add(() => {});
    for (let step = 0; step < 30; step++) {
      await clock.advance(700);
      let beats = 0;
      const leave = heartbeats.add(() => beats++);
      await clock.advance(10_000);
      expect(beats).toBeGreaterThan(0);
      leave();
    }
  });
});

describe('pump', () => {
  const eventOf = (n: number) => ({
    eventId: `e${n}`,
    name: 'counted',
    timestamp: '2026-01-01T00:00:00Z',
    data: { n },
  });

  /** A pump over `feed` whose sink writes down what it gets. */
  function pumpOver(
    feed: LiveFeed | LogFeed,
    match?: SelectionRules['match'],
  ): { pump: Pump; delivered: unknown[]; room: { left: number } } {
    const clock = new FakeClock();
    const delivered: unknown[] = [];
    const room = { left: Infinity };
    const take = (what: unknown): boolean => {
      if (room.left <= 0) return false;
      room.left--;
      delivered.push(what);
      return true;
    };
    const pump = new Pump({
      subscription: { arguments: {} } as never,
      feed,
      rules: () => ({ name: 'counted', filter: {}, match, transform: undefined, validate: () => {} }),
      selection: new Selection(clock, 1_000, 1_000),
      sink: {
        deliver: (event: FeedEvent) => take(event.data['n']),
        lose: (cursor) => take(`lost ${cursor?.replace('run.', '') ?? null}`),
        fail: () => {},
      },
      clock,
      report: () => {},
    });
    return { pump, delivered, room };
  }

  const logFeed = (): LogFeed => {
    const clock = new FakeClock();
    return new LogFeed({ log: memoryLog(clock, { maxCount: 5 }), filter: {}, clock, report: () => {} });
  };

  it.each([
    ['with replay', logFeed],
    ['without replay', () => new LiveFeed({}, new FakeClock())],
  ])('PUSH-02 ORDER-01 nothing is lost between confirmation and the first event: %s', async (_kind, make) => {
    const feed = make();
    const { pump, delivered } = pumpOver(feed);
    await pump.open(null);
    pump.run();
    for (let n = 0; n < 5; n++) {
      void feed.append(eventOf(n), { byteLength: 1 });
      await Promise.resolve();
    }
    await settle();
    expect(delivered).toEqual([0, 1, 2, 3, 4]);
  });

  it('PUSH-12 keeps its cursor before what the sink refused, and offers it again', async () => {
    const feed = logFeed();
    const { pump, delivered, room } = pumpOver(feed);
    await pump.open(null);
    pump.run();
    await settle();
    room.left = 2;
    for (let n = 1; n <= 4; n++) void feed.append(eventOf(n), { byteLength: 1 });
    expect([delivered, pump.cursor]).toEqual([[1, 2], 'run.2']);
    room.left = Infinity;
    pump.resume();
    await settle();
    expect([delivered, pump.cursor]).toEqual([[1, 2, 3, 4], 'run.4']);
  });

  it('PUSH-08 tells a gap once, also when the sink had no room for it at first', async () => {
    const feed = logFeed();
    const { pump, delivered, room } = pumpOver(feed);
    await pump.open(null);
    pump.run();
    await settle();
    room.left = 0;
    for (let n = 1; n <= 20; n++) void feed.append(eventOf(n), { byteLength: 1 });
    pump.resume();
    await settle();
    expect([delivered, pump.cursor]).toEqual([[], 'run.0']);
    room.left = Infinity;
    pump.resume();
    await settle();
    expect(delivered).toEqual(['lost 15', 16, 17, 18, 19, 20]);
  });

  it.each([
    ['in number', 256, 10],
    // Each is 64 KiB long, and the first does not count.
    ['in bytes', 17, 64 * 1024],
  ])(
    'PUSH-21 what waits for a slow match without replay is bounded %s, and what has no room is told',
    async (_what, bound, length) => {
      for (const beyond of [0, 1]) {
        const feed = new LiveFeed({}, new FakeClock());
        let decide: ((wanted: boolean) => void) | undefined;
        const decided = new Promise<boolean>((resolve) => (decide = resolve));
        const { pump, delivered } = pumpOver(feed, () => decided);
        await pump.open(null);
        pump.run();
        await settle();
        const count = bound + beyond;
        for (let n = 1; n <= count; n++) {
          // So long as JSON, whatever the number.
          const data = { n, text: 'x'.repeat(Math.max(0, length - `{"n":${n},"text":""}`.length)) };
          await feed.append({ ...eventOf(n), data });
        }
        decide?.(true);
        await settle();
        const numbers = Array.from({ length: bound }, (_, index) => index + 1);
        expect(delivered).toEqual(beyond === 0 ? numbers : [...numbers, 'lost null']);
      }
    },
  );

  it('PUSH-21 EMIT-17 what is lost while a match is slow is told behind what came before it, and ahead of what comes after', async () => {
    const feed = new LiveFeed({}, new FakeClock());
    const decisions: ((wanted: boolean) => void)[] = [];
    const { pump, delivered } = pumpOver(feed, () => new Promise((resolve) => decisions.push(resolve)));
    await pump.open(null);
    pump.run();
    await settle();
    const decide = async (count: number): Promise<void> => {
      for (let left = count; left > 0; left--) {
        decisions.shift()?.(true);
        await settle();
      }
    };
    for (let n = 1; n <= 258; n++) await feed.append(eventOf(n));
    await decide(1);
    await feed.append(eventOf(259));
    await feed.lose();
    await decide(256);
    await feed.append(eventOf(260));
    await decide(1);
    const numbers = Array.from({ length: 256 }, (_, index) => index + 1);
    expect(delivered).toEqual([...numbers, 'lost null', 259, 'lost null', 260]);
  });

  it('PUSH-22 what a slow match let through and the sink refused is told as lost, though nothing else is to come', async () => {
    const feed = new LiveFeed({}, new FakeClock());
    let decide: ((wanted: boolean) => void) | undefined;
    const decided = new Promise<boolean>((resolve) => (decide = resolve));
    const { pump, delivered, room } = pumpOver(feed, () => decided);
    await pump.open(null);
    pump.run();
    await settle();
    void feed.append(eventOf(1));
    room.left = 0;
    decide?.(true);
    await settle();
    room.left = Infinity;
    pump.resume();
    await settle();
    expect(delivered).toEqual(['lost null']);
  });

  it('PUSH-21 what waited for a slow match leaves room for as much again', async () => {
    const feed = new LiveFeed({}, new FakeClock());
    const decisions: ((wanted: boolean) => void)[] = [];
    const { pump, delivered } = pumpOver(feed, () => new Promise((resolve) => decisions.push(resolve)));
    await pump.open(null);
    pump.run();
    await settle();
    // At most two wait at a time, five megabytes in all.
    const text = 'x'.repeat(500 * 1024);
    await feed.append({ ...eventOf(0), data: { n: 0, text } });
    for (let n = 1; n <= 10; n++) {
      await feed.append({ ...eventOf(n), data: { n, text } });
      if (n > 1) decisions.shift()?.(true);
      await settle();
    }
    for (let left = 0; left < 3; left++) {
      decisions.shift()?.(true);
      await settle();
    }
    expect(delivered).toEqual(Array.from({ length: 11 }, (_, index) => index));
  });

  it('PUSH-14 a pump that is closed delivers nothing more and is forgotten by its feed', async () => {
    const feed = logFeed();
    const { pump, delivered } = pumpOver(feed);
    await pump.open(null);
    pump.run();
    await settle();
    expect(feed.attachedCount).toBe(1);
    pump.close();
    expect(feed.attachedCount).toBe(0);
    void feed.append(eventOf(1), { byteLength: 1 });
    pump.resume();
    await settle();
    expect(delivered).toEqual([]);
  });
});

describe('listen stream', () => {
  it('LIST-10 a listener that does not read holds a bounded amount', async () => {
    const listChanged = new ListChanged();
    const clock = new FakeClock();
    const sdk = `event: message\ndata: ${JSON.stringify({
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: {} },
    })}\n\n`;
    const answer = new Response(sdk, { headers: { 'content-type': 'text/event-stream' } });
    const options = { listChanged, clock, flusher: new TurnFlusher(clock), maxListenStreams: 10 };
    const response = listenOverHttp(answer, 1, options, new AbortController().signal);
    await settle();
    for (let n = 0; n < 10_000; n++) listChanged.notify();
    const reader = new FrameReader(response.body as ReadableStream<Uint8Array>);
    const messages = await reader.arrived();
    expect(messages.length).toBeGreaterThan(1);
    expect(messages.length).toBeLessThan(1_000);
    listChanged.notify();
    expect(await reader.arrived()).toHaveLength(1);
    await reader.cancel();
    expect([listChanged.listenerCount, clock.pendingTimers]).toEqual([0, 0]);
  });
});
