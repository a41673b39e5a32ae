import type { Clock } from '@mcp-events/server';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly owner: ProcessClock | undefined;
  readonly callback: () => void;
}

/** Turns of the event loop without any activity after which nothing more happens by itself. */
const QUIET_TURNS = 3;

/** Turns after which something is taken to go round in circles. */
const MOST_TURNS = 20_000;

/**
 * Time that passes only when it is told to. Turns of the event loop are real, and counted: as long as somebody does
 * something in them, the present moment goes on.
 */
export class VirtualTime {
  #nowMs: number;
  #order = 0;
  #activity = 0;
  readonly #timers = new Set<Timer>();

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Something was done that others may react to. */
  active(): void {
    this.#activity++;
  }

  at(delayMs: number, callback: () => void, owner?: ProcessClock): Timer {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, owner, callback };
    this.#timers.add(timer);
    return timer;
  }

  cancel(timer: unknown): void {
    this.#timers.delete(timer as Timer);
  }

  /** The timers of a process that is gone. */
  cancelAll(owner: ProcessClock): void {
    for (const timer of this.#timers) if (timer.owner === owner) this.#timers.delete(timer);
  }

  /** Lets everything finish that needs no time. */
  async settle(): Promise<void> {
    let quiet = 0;
    for (let turn = 0; quiet < QUIET_TURNS; turn++) {
      if (turn > MOST_TURNS) throw new Error('something goes on for ever without any time passing');
      const before = this.#activity;
      await new Promise<void>((resolve) => setImmediate(resolve));
      quiet = this.#activity === before ? quiet + 1 : 0;
    }
  }

  /** Lets time pass; what becomes due at the same moment happens without a turn in between. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await this.settle();
    for (;;) {
      let due: Timer[] = [];
      let atMs = endMs;
      for (const timer of this.#timers) {
        if (timer.atMs > atMs) continue;
        if (timer.atMs < atMs) due = [];
        atMs = timer.atMs;
        due.push(timer);
      }
      if (due.length === 0) break;
      this.#nowMs = Math.max(this.#nowMs, atMs);
      for (const timer of due.toSorted((a, b) => a.order - b.order)) {
        // One of those before it may have taken it back.
        if (this.#timers.delete(timer)) timer.callback();
      }
      await this.settle();
    }
    this.#nowMs = endMs;
  }
}

/**
 * The time of day of one machine, which is not the time its timers count: it can be set, and may go wrong by itself.
 */
export class TimeOfDay {
  readonly #time: VirtualTime;
  #offsetMs = 0;
  #drift = 0;
  #sinceMs: number;
  /** Some of what came later looks older than what was before. */
  wasSetBack = false;

  constructor(time: VirtualTime) {
    this.#time = time;
    this.#sinceMs = time.nowMs;
  }

  get nowMs(): number {
    return Math.floor(this.#time.nowMs + this.offsetMs);
  }

  /** By so much it is ahead of the time that passes. */
  get offsetMs(): number {
    return this.#offsetMs + (this.#time.nowMs - this.#sinceMs) * this.#drift;
  }

  /** @param drift milliseconds that it gains in each, from now on */
  set(offsetMs: number, drift = 0): void {
    this.wasSetBack ||= offsetMs < this.offsetMs;
    this.#offsetMs = offsetMs;
    this.#drift = drift;
    this.#sinceMs = this.#time.nowMs;
  }
}

/** The clock of one process. With its end nothing that waits on it happens any more. */
export class ProcessClock implements Clock {
  readonly #time: VirtualTime;
  readonly #timeOfDay: TimeOfDay;
  readonly #lateMs: () => number;
  #dead = false;

  /** @param lateMs by how much a timer is late that is set now */
  constructor(time: VirtualTime, timeOfDay: TimeOfDay, lateMs: () => number = () => 0) {
    this.#time = time;
    this.#timeOfDay = timeOfDay;
    this.#lateMs = lateMs;
  }

  get alive(): boolean {
    return !this.#dead;
  }

  now(): number {
    return this.#timeOfDay.nowMs;
  }

  monotonicMs(): number {
    return this.#time.nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    return this.#dead ? undefined : this.#time.at(delayMs + this.#lateMs(), callback, this);
  }

  clearTimeout(handle: unknown): void {
    this.#time.cancel(handle);
  }

  setImmediate(callback: () => void): void {
    this.#time.active();
    setImmediate(() => {
      if (this.#dead) return;
      this.#time.active();
      callback();
    });
  }

  /** Resolves after that time; never, if the process ends before. */
  delay(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      if (delayMs === 0) this.setImmediate(resolve);
      else this.setTimeout(resolve, delayMs);
    });
  }

  kill(): void {
    this.#dead = true;
    this.#time.cancelAll(this);
  }
}
