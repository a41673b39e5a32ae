import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Watermark } from '../src/delivery/webhook/watermark.ts';

/** What the watermark means, written down as plainly as possible. */
class NaiveWatermark {
  readonly #start: string | null;
  readonly #positions: (string | null)[] = [];
  /** By ticket: whether it was an event. */
  readonly #settled = new Map<number, boolean>();

  constructor(start: string | null) {
    this.#start = start;
  }

  begin(position: string | null): void {
    this.#positions.push(position);
  }

  settle(ticket: number, isEvent: boolean): void {
    this.#settled.set(ticket, isEvent);
  }

  settledBeyond(limit: number): unknown[] {
    const beyond = this.#positions.filter((_, t) => t > this.#firstOutstanding && this.#settled.get(t) === true);
    return beyond.slice(0, limit);
  }

  get #firstOutstanding(): number {
    const first = this.#positions.findIndex((_, ticket) => !this.#settled.has(ticket));
    return first === -1 ? this.#positions.length : first;
  }

  get cursor(): string | null {
    return this.#firstOutstanding === 0 ? this.#start : (this.#positions[this.#firstOutstanding - 1] ?? null);
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
          const isEvent = action % 3 !== 0;
          watermark.settle(ticket, isEvent);
          naive.settle(ticket, isEvent);
        }
        expect(watermark.cursor).toBe(naive.cursor);
        expect(watermark.isClear).toBe(naive.isClear);
        expect(watermark.settledBeyond(5)).toEqual(naive.settledBeyond(5));
        for (const ticket of outstanding) expect(watermark.cursorFor(ticket)).toBe(naive.cursorFor(ticket));
      }
    }),
  );
});

it('DELIV-11 never passes an earlier delivery that is outstanding', () => {
  const watermark = new Watermark('0');
  const tickets = Array.from({ length: 100 }, (_, index) => watermark.begin(String(index + 1)));
  for (const ticket of tickets.slice(1).toReversed()) watermark.settle(ticket, true);
  expect(watermark.cursor).toBe('0');
  watermark.settle(tickets[0]!, true);
  expect(watermark.cursor).toBe('100');
  expect(watermark.isClear).toBe(true);
});

it('has no position where there is none', () => {
  const watermark = new Watermark(null);
  const ticket = watermark.begin(null);
  expect(watermark.cursorFor(ticket)).toBeNull();
  watermark.settle(ticket, true);
  expect(watermark.cursor).toBeNull();
});
