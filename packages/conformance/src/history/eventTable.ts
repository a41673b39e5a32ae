import { isFor } from './facts.ts';
import type { BegunFact, EmitFailedFact, EmittedFact, EmittingFact, Fact, RestoredFact } from './facts.ts';
import { Positions } from './positions.ts';
import type { ReadCursor } from './positions.ts';
import type { Evidence, Violation } from './verdict.ts';

/** All that a history says of one event. */
export interface KnownEvent {
  readonly id: string;
  readonly type: string;
  /** Whom it is for, and with which data. */
  readonly content: Pick<EmittingFact, 'values' | 'readers' | 'hash' | 'hashes'>;
  /** Where it was first about to be emitted. */
  readonly emitting: Evidence;
  answered: Evidence | undefined;
  /** First seen by a subscriber. */
  seen: Evidence | undefined;
  /** Place in its log, once it is known. */
  position: number | undefined;
  /** The log was restored without it: who has not got it never will. Set when a history has come so far. */
  gone: boolean;
  /** Emits that were begun, less those that were refused: with none of them left it cannot exist. */
  possible: number;
}

/** Everything a history says of events, whenever it says so: where an event stands is often known only later. */
export class EventTable {
  readonly violations: Violation[] = [];
  readonly #events = new Map<string, KnownEvent>();
  readonly #types = new Map<string, { readonly positions: Positions; readonly events: KnownEvent[] }>();
  readonly #wanted = new Map<string, readonly KnownEvent[]>();
  readonly #readCursor: ReadCursor;

  constructor(facts: readonly Fact[], readCursor: ReadCursor) {
    this.#readCursor = readCursor;
    /** Highest position answered, by type, when an emit began: it has to come out above it. */
    const floors = new Map<string, Evidence & { readonly position: number }>();
    const floorOf = new Map<string, Evidence & { readonly position: number }>();
    const typeOf = new Map<string, string>();
    facts.forEach((fact, index) => {
      if (fact.fact === 'begun') typeOf.set(fact.subscription, fact.type);
      // A past in which nothing was emitted is known by who stands in it, and by when: pasts are later than those seen before.
      if (fact.fact === 'begun' || fact.fact === 'received') {
        const type = typeOf.get(fact.subscription);
        if (type !== undefined) this.positionOf(type, fact.cursor);
      }
      if (fact.fact === 'lossCause' && fact.type !== undefined) this.positionOf(fact.type, fact.upTo);
      if (fact.fact === 'emitting') {
        const floor = floors.get(fact.type);
        if (!this.#events.has(fact.eventId) && floor !== undefined) floorOf.set(fact.eventId, floor);
        this.#emitting(fact, index);
      } else if (fact.fact === 'emitFailed') this.#failed(fact);
      else if (fact.fact === 'emitted') {
        const event = this.#answered(fact, index);
        if (event?.position === undefined) return;
        const floor = floorOf.get(fact.eventId);
        if (floor !== undefined && event.position <= floor.position) {
          this.violations.push({
            kind: 'log',
            eventId: fact.eventId,
            message: `${fact.eventId} was emitted after another event was answered, and stands before it in the log`,
            evidence: [{ index: floor.index, fact: floor.fact }, event.emitting, { index, fact }],
          });
        }
        const highest = floors.get(event.type);
        if (highest === undefined || highest.position < event.position) {
          floors.set(event.type, { index, fact, position: event.position });
        }
      } else if (fact.fact === 'received') {
        for (const eventId of fact.events ?? []) this.#seen(eventId, { index, fact });
      } else if (fact.fact === 'handed') this.#seen(fact.eventId, { index, fact });
      else if (fact.fact === 'restored') {
        for (const { type, epoch, from, head } of fact.logs) this.#type(type).positions.inherit(epoch, from, head);
      }
    });
  }

  /** What stands beyond the end of the copies is gone. */
  restored({ logs }: RestoredFact): void {
    for (const { type, from, head } of logs) {
      const { positions, events } = this.#type(type);
      for (const event of events) {
        if (event.position !== undefined && positions.isBeyond(event.position, from, head)) event.gone = true;
      }
    }
  }

  get emitted(): number {
    return [...this.#events.values()].filter(({ answered }) => answered !== undefined).length;
  }

  /** Events whose place in their log is known. */
  get placed(): number {
    return [...this.#events.values()].filter(({ position }) => position !== undefined).length;
  }

  get unanswered(): number {
    return [...this.#events.values()].filter(({ answered, possible }) => answered === undefined && possible > 0).length;
  }

  get(eventId: string): KnownEvent | undefined {
    return this.#events.get(eventId);
  }

  /** The event whose emit is answered by the fact at that place. Not one that was answered before: it is said again, and there already. */
  answeredAt(eventId: string, index: number): KnownEvent | undefined {
    const event = this.#events.get(eventId);
    return event?.answered?.index === index ? event : undefined;
  }

  all(): Iterable<KnownEvent> {
    return this.#events.values();
  }

  positionOf(type: string, cursor: string | null | undefined): number | undefined {
    return this.#type(type).positions.of(cursor);
  }

  /** Events that exist, whose place is known, and which such a subscription wants, in the order of the log. */
  wantedBy(begun: BegunFact): readonly KnownEvent[] {
    const { type, arguments: wanted, principal } = begun;
    const key = JSON.stringify([type, wanted ?? {}, principal]);
    let events = this.#wanted.get(key);
    if (events === undefined) {
      events = this.#type(type)
        .events.filter(
          ({ position, answered, seen, content }) =>
            position !== undefined && (answered ?? seen) !== undefined && isFor(begun, content),
        )
        .toSorted((a, b) => (a.position as number) - (b.position as number));
      this.#wanted.set(key, events);
    }
    return events;
  }

  /** Reports positions that two events have. To be called when all positions are known. */
  checkPositions(): void {
    for (const { events } of this.#types.values()) {
      const holders = new Map<number, KnownEvent>();
      for (const event of events) {
        if (event.position === undefined) continue;
        const holder = holders.get(event.position);
        if (holder === undefined) holders.set(event.position, event);
        else {
          this.violations.push({
            kind: 'log',
            eventId: event.id,
            message: `${event.id} has the position of ${holder.id}: one of them is not in the log any more`,
            evidence: [holder.answered ?? holder.emitting, event.answered ?? event.emitting],
          });
        }
      }
    }
  }

  #emitting(fact: EmittingFact, index: number): void {
    const { eventId, type } = fact;
    const known = this.#events.get(eventId);
    if (known !== undefined) {
      known.possible++;
      return;
    }
    const event: KnownEvent = {
      id: eventId,
      type,
      content: fact,
      emitting: { index, fact },
      answered: undefined,
      seen: undefined,
      position: undefined,
      gone: false,
      possible: 1,
    };
    this.#events.set(eventId, event);
    this.#type(type).events.push(event);
  }

  #failed({ eventId }: EmitFailedFact): void {
    const event = this.#events.get(eventId);
    if (event !== undefined) event.possible--;
  }

  #answered(fact: EmittedFact, index: number): KnownEvent | undefined {
    const event = this.#events.get(fact.eventId);
    if (event === undefined) {
      const message = `${fact.eventId} was answered without having been emitted`;
      this.violations.push({ kind: 'phantom', eventId: fact.eventId, message, evidence: [{ index, fact }] });
      return undefined;
    }
    const position = this.positionOf(event.type, fact.cursor);
    if (event.answered === undefined) {
      event.answered = { index, fact };
      event.position = position;
    } else if (position !== event.position) {
      this.violations.push({
        kind: 'log',
        eventId: event.id,
        message: `${event.id} was answered with two positions: it is in the log twice, or was lost from it`,
        evidence: [event.answered, { index, fact }],
      });
    }
    return event;
  }

  #seen(eventId: string, evidence: Evidence): void {
    const event = this.#events.get(eventId);
    if (event !== undefined) event.seen ??= evidence;
  }

  #type(name: string): { readonly positions: Positions; readonly events: KnownEvent[] } {
    let type = this.#types.get(name);
    if (type === undefined) this.#types.set(name, (type = { positions: new Positions(this.#readCursor), events: [] }));
    return type;
  }
}
