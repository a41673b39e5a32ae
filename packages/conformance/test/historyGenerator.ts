import type { BegunFact, Fact, FactValue } from '@mcp-events/conformance';
import { isFor } from '@mcp-events/conformance';
import * as fc from 'fast-check';

/** One step of a run, to be read as far as it makes sense where it comes. */
interface Step {
  readonly kind:
    | 'emit'
    | 'deliver'
    | 'quiet'
    | 'gap'
    | 'crash'
    | 'crashWhileHanding'
    | 'leave'
    | 'switch'
    | 'grant'
    | 'settle';
  readonly a: number;
  readonly b: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant<Step['kind']>('emit') },
    { weight: 8, arbitrary: fc.constant<Step['kind']>('deliver') },
    {
      weight: 6,
      arbitrary: fc.constantFrom<Step['kind'][]>(
        'quiet',
        'gap',
        'crash',
        'crashWhileHanding',
        'leave',
        'switch',
        'grant',
        'settle',
      ),
    },
  ),
  a: fc.nat(10_000),
  b: fc.nat(10_000),
});

export const steps: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 10, maxLength: 120, size: 'max' });

interface LogEntry {
  readonly id: string;
  readonly values: Readonly<Record<string, FactValue>>;
  readonly readers?: readonly string[];
  readonly hash: string;
  readonly hashes: Readonly<Record<string, string>>;
  readonly position: number;
}

interface Subscriber {
  readonly subscription: string;
  readonly process: string;
  readonly type: string;
  readonly arguments: BegunFact['arguments'];
  readonly principal: string;
  mode: BegunFact['mode'];
  live: boolean;
  /** Up to here everything was delivered. */
  position: number | undefined;
  resumes: boolean;
}

const TYPES = ['opened', 'closed'];
const MODES = ['poll', 'push', 'webhook'] as const;
const WISHES: readonly Subscriber['arguments'][] = [{}, { severity: 'high' }, { severity: ['high', 'low'] }];
const SEVERITIES = ['high', 'low'];
const PRINCIPALS = ['alice', 'bob'];

/** Between two facts. */
const STEP_MS = 7;

/** Longer than a run lasts: what is emitted has to come within it. */
const WITHIN_MS = 100_000;

/** A history of a system without faults of its own, in which processes die all the same. */
export class GoodRun {
  readonly facts: Fact[] = [];
  readonly #logs = new Map<string, LogEntry[]>(TYPES.map((type) => [type, []]));
  readonly #subscribers: Subscriber[];
  readonly #losesEvents: boolean;
  #emits = 0;

  /** @param losesEvents whether gaps are told, each with its cause */
  constructor(planned: readonly Step[], losesEvents = true) {
    this.#losesEvents = losesEvents;
    this.#subscribers = Array.from({ length: 6 }, (_, n) => ({
      subscription: `s${n}`,
      process: `client${n % 2}`,
      type: TYPES[n % 2] as string,
      arguments: WISHES[n % 3] ?? {},
      principal: PRINCIPALS[n % 2] as string,
      mode: MODES[n % 3] as 'poll',
      resumes: false,
      live: false,
      position: undefined,
    }));
    for (const process of ['server', 'client0', 'client1']) this.#record({ fact: 'started', process });
    this.#record({ fact: 'calm' });
    for (const subscriber of this.#subscribers) this.#begin(subscriber);
    for (const type of TYPES.keys()) this.#emit(type, 3);
    for (const next of planned) this.#take(next);
    this.#settle();
  }

  #record(...facts: Fact[]): void {
    for (const fact of facts) this.facts.push({ ...fact, at: this.facts.length * STEP_MS });
  }

  #take({ kind, a, b }: Step): void {
    const subscriber = this.#subscribers[a % this.#subscribers.length] as Subscriber;
    switch (kind) {
      case 'emit':
        return this.#emit(a, b);
      case 'settle':
        return this.#settle();
      case 'crash':
        return this.#crash(subscriber);
      default:
    }
    if (!subscriber.live) return this.#begin(subscriber);
    if (kind === 'deliver') return this.#deliver(subscriber, 1 + (b % 4), b % 2 === 1);
    if (kind === 'quiet') return this.#quiet(subscriber);
    if (kind === 'gap') return this.#losesEvents ? this.#gap(subscriber, b) : undefined;
    if (kind === 'crashWhileHanding') return this.#crashWhileHanding(subscriber);
    if (kind === 'grant') return this.#grant(subscriber, b);
    if (kind === 'switch') {
      subscriber.mode = MODES[b % 3] as 'poll';
      return this.#begin(subscriber);
    }
    subscriber.live = false;
    const { subscription } = subscriber;
    this.#record({
      fact: 'ended',
      subscription,
      ...(b % 2 === 0 ? { how: 'asked', final: b % 4 === 0 } : { how: 'told' }),
    });
    subscriber.resumes = false;
    if (b % 3 === 0) subscriber.position = undefined;
  }

  #emit(a: number, b: number): void {
    const type = TYPES[a % 2] as string;
    const log = this.#log(type);
    const eventId = `e${this.#emits++}`;
    const values = { severity: SEVERITIES[b % 2] as string };
    const readers = b % 3 === 0 ? [PRINCIPALS[b % 2] as string] : undefined;
    const position = log.length + 1;
    const hashes: Record<string, string> = b % 5 === 0 ? { bob: `other data of ${eventId}` } : {};
    this.#record({
      fact: 'emitting',
      type,
      eventId,
      values,
      hash: `data of ${eventId}`,
      hashes,
      ...(readers && { readers }),
    });
    const outcome = b % 10;
    if (outcome === 0) this.#record({ fact: 'emitFailed', eventId });
    else if (outcome !== 1)
      log.push({ id: eventId, values, position, hash: `data of ${eventId}`, hashes, ...(readers && { readers }) });
    // Stored, and its answer lost: only subscribers may tell that it exists.
    if (outcome > 2) this.#record({ fact: 'emitted', eventId, cursor: cursorAt(position) });
  }

  #begin(subscriber: Subscriber): void {
    const { subscription, process, type, mode, position, principal, resumes } = subscriber;
    const cursor = position === undefined ? null : cursorAt(position);
    this.#record({
      fact: 'begun',
      subscription,
      process,
      type,
      mode,
      cursor,
      principal,
      resumes,
      withinMs: WITHIN_MS,
      ...(subscriber.arguments === undefined ? {} : { arguments: subscriber.arguments }),
    });
    subscriber.live = true;
    subscriber.resumes = true;
    subscriber.position ??= this.#log(type).length;
    this.#record({ fact: 'received', subscription, cursor: cursorAt(subscriber.position) });
  }

  #pending(subscriber: Subscriber): LogEntry[] {
    const after = subscriber.position as number;
    return this.#log(subscriber.type).filter((entry) => entry.position > after && isFor(subscriber, entry));
  }

  /** Over webhooks the wire may bring a batch in any order, with the safe cursor. */
  #deliver(subscriber: Subscriber, count: number, reversed: boolean): void {
    const { subscription, mode } = subscriber;
    const batch = this.#pending(subscriber).slice(0, count);
    const last = batch.at(-1);
    if (last === undefined) return;
    const cursor = cursorAt(last.position);
    if (mode === 'poll') this.#record({ fact: 'received', subscription, events: batch.map(({ id }) => id), cursor });
    if (mode === 'webhook') {
      const sent = reversed ? batch.toReversed() : batch;
      const safe = cursorAt(subscriber.position as number);
      for (const [index, { id }] of sent.entries()) {
        const isLast = index === sent.length - 1;
        this.#record({ fact: 'received', subscription, events: [id], cursor: isLast ? cursor : safe });
      }
    }
    for (const entry of batch) {
      const { id, position } = entry;
      if (mode === 'push') {
        this.#record({ fact: 'received', subscription, events: [id], cursor: cursorAt(position) });
      }
      this.#record({ fact: 'handed', subscription, eventId: id, hash: dataFor(subscriber, entry) });
      this.#record({ fact: 'committed', subscription, eventId: id });
    }
    subscriber.position = last.position;
  }

  /** Nothing happened that it wants: its cursor moves all the same. */
  #quiet(subscriber: Subscriber): void {
    const { subscription, type } = subscriber;
    const next = this.#pending(subscriber)[0];
    subscriber.position = next === undefined ? this.#log(type).length : next.position - 1;
    this.#record({ fact: 'received', subscription, cursor: cursorAt(subscriber.position) });
  }

  #gap(subscriber: Subscriber, b: number): void {
    const { subscription } = subscriber;
    const lost = this.#pending(subscriber)[b % 3];
    if (lost === undefined) return;
    subscriber.position = lost.position;
    this.#record({ fact: 'lossCause', subscription, why: 'taken away' });
    this.#record({ fact: 'received', subscription, cursor: cursorAt(lost.position), gap: true });
  }

  #crash(subscriber: Subscriber): void {
    const { process } = subscriber;
    this.#record({ fact: 'killed', process }, { fact: 'started', process });
    for (const other of this.#subscribers) {
      if (other.process === process && other.live) this.#begin(other);
    }
  }

  #crashWhileHanding(subscriber: Subscriber): void {
    const { subscription } = subscriber;
    const first = this.#pending(subscriber)[0];
    if (first === undefined) return;
    this.#record({ fact: 'received', subscription, events: [first.id], cursor: cursorAt(first.position) });
    this.#record({ fact: 'handed', subscription, eventId: first.id, hash: dataFor(subscriber, first) });
    this.#crash(subscriber);
  }

  #grant({ subscription, mode, position }: Subscriber, b: number): void {
    if (mode !== 'webhook') return;
    this.#record({ fact: 'granted', subscription, refreshBeforeMs: 1_000 });
    if (b % 2 === 0) return;
    const subscriber = this.#subscribers.find((other) => other.subscription === subscription) as Subscriber;
    this.#record({ fact: 'ended', subscription, how: 'forgotten', atMs: 1_000 + b });
    subscriber.live = false;
    subscriber.position = position;
  }

  #settle(): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.live) this.#deliver(subscriber, Infinity, false);
    }
    this.#record({ fact: 'settled' });
  }

  #log(type: string): LogEntry[] {
    return this.#logs.get(type) as LogEntry[];
  }
}

function dataFor({ principal }: Subscriber, { hash, hashes }: LogEntry): string {
  return hashes[principal] ?? hash;
}

function cursorAt(position: number): string {
  return `run.${position}`;
}
