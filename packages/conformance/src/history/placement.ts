import type { EventTable, KnownEvent } from './eventTable.ts';
import type { Fact } from './facts.ts';
import type { Evidence, Violation } from './verdict.ts';

/** Between which positions an event of unknown place has to stand, and who says so. */
interface Bounds {
  after: number;
  before: number;
  afterEvidence: Evidence | undefined;
  beforeEvidence: Evidence | undefined;
}

/** One application process's stretch of a subscription: within it order has to hold. */
interface Stretch {
  process: string;
  highest: number;
  highestEvidence: Evidence | undefined;
  /** Without a place, handed since the last event that has one. */
  open: KnownEvent[];
}

/**
 * Places events whose emit was never answered, from the order in which they were handed to applications. An event that
 * can only stand at one free position stands there; one that can stand nowhere was handed in contradictory orders.
 */
export function placeUnanswered(facts: readonly Fact[], table: EventTable): Violation[] {
  const bounds = new Map<KnownEvent, Bounds>();
  const stretches = new Map<string, Stretch>();
  const webhooks = new Set<string>();
  /** By webhook, what was emitted before this fact was told as lost, and may come late all the same. */
  const lateBefore = new Map<string, number>();
  facts.forEach((fact, index) => {
    if (fact.fact === 'begun') {
      if (fact.mode === 'webhook') webhooks.add(fact.subscription);
      else webhooks.delete(fact.subscription);
      const stretch = stretches.get(fact.subscription);
      if (stretch === undefined || stretch.process !== fact.process) {
        stretches.set(fact.subscription, newStretch(fact.process));
      }
    } else if (fact.fact === 'killed') {
      for (const [subscription, { process }] of stretches) {
        if (process === fact.process) stretches.set(subscription, newStretch(process));
      }
    } else if (fact.fact === 'received' && fact.gap === true) {
      if (webhooks.has(fact.subscription)) lateBefore.set(fact.subscription, index);
    } else if (fact.fact === 'handed') {
      const event = table.get(fact.eventId);
      const stretch = stretches.get(fact.subscription);
      if (event === undefined || stretch === undefined) return;
      const mayBeLate = event.emitting.index < (lateBefore.get(fact.subscription) ?? -1);
      narrow(bounds, stretch, event, { index, fact }, mayBeLate);
    }
  });
  const free = new FreePositions(table);
  const violations: Violation[] = [];
  for (const [event, { after, before, afterEvidence, beforeEvidence }] of bounds) {
    const position = free.only(event.type, after, before);
    if (position !== undefined) event.position = position;
    else if (after >= before) {
      violations.push({
        kind: 'order',
        eventId: event.id,
        message: `${event.id} was handed after an event that stands behind one it was handed before`,
        evidence: [afterEvidence, beforeEvidence].filter((evidence) => evidence !== undefined),
      });
    }
  }
  return violations;
}

function newStretch(process: string): Stretch {
  return { process, highest: -Infinity, highestEvidence: undefined, open: [] };
}

function narrow(
  bounds: Map<KnownEvent, Bounds>,
  stretch: Stretch,
  event: KnownEvent,
  evidence: Evidence,
  mayBeLate: boolean,
): void {
  if (event.position === undefined) {
    let known = bounds.get(event);
    if (known === undefined) {
      known = { after: -Infinity, before: Infinity, afterEvidence: undefined, beforeEvidence: undefined };
      bounds.set(event, known);
    }
    if (stretch.highest > known.after && !mayBeLate) {
      known.after = stretch.highest;
      known.afterEvidence = stretch.highestEvidence;
    }
    stretch.open.push(event);
    return;
  }
  // An event out of order says nothing of others.
  if (event.position <= stretch.highest) return;
  stretch.highest = event.position;
  stretch.highestEvidence = evidence;
  for (const open of stretch.open.splice(0)) {
    const known = bounds.get(open);
    if (known === undefined || known.before <= event.position) continue;
    known.before = event.position;
    known.beforeEvidence = evidence;
  }
}

/** Positions that no answered event has. */
class FreePositions {
  readonly #taken = new Map<string, Set<number>>();

  constructor(table: EventTable) {
    for (const { type, position } of table.all()) {
      if (position === undefined) continue;
      let taken = this.#taken.get(type);
      if (taken === undefined) this.#taken.set(type, (taken = new Set()));
      taken.add(position);
    }
  }

  /** The only free position between two others, if there is exactly one. */
  only(type: string, after: number, before: number): number | undefined {
    // Wider stretches decide nothing, and would take long to look through.
    if (!(before - after <= WIDEST_STRETCH)) return undefined;
    let found: number | undefined;
    for (let position = after + 1; position < before; position++) {
      if (this.#taken.get(type)?.has(position) === true) continue;
      if (found !== undefined) return undefined;
      found = position;
    }
    return found;
  }
}

const WIDEST_STRETCH = 1_000;
