import type { Check, CheckContext, CheckedEvent, CheckResult } from '@mcp-events/server';

/** One call of the author's `check`, as it was made. */
export interface CheckCall {
  readonly context: CheckContext;
  readonly args: Readonly<Record<string, unknown>>;
  readonly cursor: string | null;
}

/** An upstream with numbered events whose cursor is how many of them were seen. Everything is kept. */
export class Upstream {
  readonly events: CheckedEvent[] = [];
  readonly calls: CheckCall[] = [];
  /** Thrown by the next checks, one each. */
  readonly failures: unknown[] = [];
  /** Most events per answer. */
  pageSize = Infinity;
  /** Whether each event tells its own position. */
  addressable = false;
  /** Merged into every answer. */
  extra: Partial<CheckResult> = {};

  add(...numbers: number[]): void {
    for (const n of numbers) {
      const cursor = this.addressable ? { cursor: String(this.events.length + 1) } : {};
      this.events.push({ eventId: `up-${n}`, timestamp: '2026-01-01T00:00:00Z', data: { n }, ...cursor });
    }
  }

  get check(): Check {
    return (context, args, cursor) => {
      this.calls.push({ context, args, cursor });
      if (this.failures.length > 0) throw this.failures.shift();
      const from = cursor === null ? this.events.length : Number(cursor);
      const events = this.events.slice(from, from + this.pageSize);
      const end = from + events.length;
      return { events, cursor: String(end), hasMore: end < this.events.length, ...this.extra };
    };
  }
}
