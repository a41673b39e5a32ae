import type { EventTable } from './eventTable.ts';
import type { BegunFact, Fact } from './facts.ts';
import { inOrder } from './rule.ts';
import type { Rule } from './rule.ts';
import type { Evidence, Violation } from './verdict.ts';

/** Each event arrives with its own data, as it is for this principal, and is handed out as it arrived. */
export class DataRule implements Rule {
  readonly kind = 'data';
  examined = 0;
  readonly violations: Violation[] = [];
  readonly #table: EventTable;
  readonly #begun = new Map<string, BegunFact>();

  constructor(table: EventTable) {
    this.#table = table;
  }

  take(fact: Fact, index: number): void {
    if (fact.fact === 'begun') this.#begun.set(fact.subscription, fact);
    else if (fact.fact === 'handed') this.#compare(fact.subscription, fact.eventId, fact.hash, { fact, index });
    else if (fact.fact === 'received') {
      for (const [n, eventId] of (fact.events ?? []).entries()) {
        this.#compare(fact.subscription, eventId, fact.hashes?.[n], { fact, index });
      }
    }
  }

  #compare(subscription: string, eventId: string, hash: string | undefined, evidence: Evidence): void {
    const event = this.#table.get(eventId);
    const begun = this.#begun.get(subscription);
    if (event === undefined || begun === undefined || hash === undefined) return;
    const expected = event.content.hashes?.[begun.principal ?? ''] ?? event.content.hash;
    if (expected === undefined) return;
    this.examined++;
    if (expected === hash) return;
    const message = `${subscription} was given ${eventId} with other data than it has for ${begun.principal ?? 'all'}`;
    this.violations.push({
      kind: 'data',
      subscription,
      eventId,
      message,
      evidence: inOrder([event.emitting, evidence]),
    });
  }
}
