import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Watermark } from '../src/delivery/webhook/watermark.ts';

/** What the watermark means, written down as plainly as possible. */
class NaiveWatermark {
  readonly #start: string | null;
  readonly #positions: (string | null)[] = [];
  readonly #settled = new Set<number>();

  constructor(start: string | null) {
    this.#start = start;
  }

  begin(position: string | null): void {
    this.#positions.push(position);
  }

  settle(ticket: number): void {
    this.#settled.add(ticket);
  }

  /** Undefined if nothing is outstanding after that. */
  cursorAfter(tickets: readonly number[]): string | null | undefined {
    const copy = new NaiveWatermark(this.#start);
    for (const position of this.#positions) copy.begin(position);
    for (const ticket of [...this.#settled, ...tickets]) copy.settle(ticket);
    return copy.isClear ? undefined : copy.cursor;
  }

  settledBeyond(limit: number): unknown[] {
    const beyond = this.#positions.filter((_, t) => t > this.#firstOutstanding && this.#settled.has(t));
    return beyond.slice(0, limit);
  }

  get #firstOutstanding(): number {
    const first = this.#positions.findIndex((_, ticket) => !this.#settled.has(ticket));
    return first === -1 ? this.#positions.length : first;
  }

  get cursor(): string | null {
    return this.#firstOutstanding === 0 ? this.#start : (this.#positions[this.#firstOutstanding - 1] ?? null);
  }

  get span(): number {
    return this.#positions.length - this.#firstOutstanding;
  }

  get isClear(): boolean {
    return this.#firstOutstanding === this.#positions.length;
  }

  cursorFor(ticket: number): string | null {
    return ticket === this.#firstOutstanding ? (this.#positions[ticket] ?? null) : this.cursor;
  }
}

it('DELIV-11 SUB-14 is before the first outstanding delivery, whatever order they settle in', () => {
  const step = fc.oneof(fc.constant('begin' as const), fc.nat());
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const watermark = new Watermark('start');
      const naive = new NaiveWatermark('start');
      const outstanding: number[] = [];
      let begun = 0;
      for (const action of steps) {
        if (action === 'begin') {
          const ticket = watermark.begin(`p${begun}`);
          expect(ticket).toBe(begun);
          naive.begin(`p${begun++}`);
          outstanding.push(ticket);
        } else if (outstanding.length > 0) {
          const [ticket] = outstanding.splice(action % outstanding.length, 1) as [number];
          watermark.settle(ticket);
          naive.settle(ticket);
        }
        expect(watermark.cursor).toBe(naive.cursor);
        expect(watermark.isClear).toBe(naive.isClear);
        expect(watermark.span).toBe(naive.span);
        expect(watermark.settledBeyond(5)).toEqual(naive.settledBeyond(5));
        const told = outstanding.filter((ticket) => ticket % 2 === 0);
        expect(watermark.cursorAfter(told)).toBe(naive.cursorAfter(told));
        for (const ticket of outstanding) expect(watermark.cursorFor(ticket)).toBe(naive.cursorFor(ticket));
      }
    }),
  );
});

it('DELIV-11 never passes an earlier delivery that is outstanding', () => {
  const watermark = new Watermark('0');
  const tickets = Array.from({ length: 100 }, (_, index) => watermark.begin(String(index + 1)));
  for (const ticket of tickets.slice(1).toReversed()) watermark.settle(ticket);
  expect(watermark.cursor).toBe('0');
  watermark.settle(tickets[0]!);
  expect(watermark.cursor).toBe('100');
  expect(watermark.isClear).toBe(true);
});

it('has no position where there is none', () => {
  const watermark = new Watermark(null);
  const ticket = watermark.begin(null);
  expect(watermark.cursorFor(ticket)).toBeNull();
  watermark.settle(ticket);
  expect(watermark.cursor).toBeNull();
});

it('DELIV-11 gives back the room that it needed while one delivery took long', () => {
  const watermark = new Watermark('start');
  const tickets = Array.from({ length: 5_000 }, (_, n) => watermark.begin(`c${n}`));
  for (const ticket of tickets.slice(1)) watermark.settle(ticket);
  expect([watermark.cursor, watermark.capacity]).toEqual(['start', 8_192]);
  watermark.settle(tickets[0]!);
  expect([watermark.cursor, watermark.isClear]).toEqual(['c4999', true]);
  expect(watermark.capacity).toBeLessThan(100);
  const [next, last] = [watermark.begin('next'), watermark.begin('last')];
  watermark.settle(last);
  expect(watermark.cursorFor(next)).toBe('next');
  watermark.settle(next);
  expect(watermark.cursor).toBe('last');
});
