import { Calm } from './calm.ts';
import { CheckedSubscription } from './checkedSubscription.ts';
import { DataRule } from './dataRule.ts';
import { EmptinessRule } from './emptinessRule.ts';
import { EndRule } from './endRule.ts';
import { EventTable } from './eventTable.ts';
import type { Fact } from './facts.ts';
import { GapRule } from './gapRule.ts';
import { LatenessRule } from './latenessRule.ts';
import { placeUnanswered } from './placement.ts';
import { readLogCursor } from './positions.ts';
import type { ReadCursor } from './positions.ts';
import { RepetitionRule } from './repetitionRule.ts';
import type { Rule } from './rule.ts';
import { ServerClock } from './serverClock.ts';
import { StartRule } from './startRule.ts';
import type { Verdict } from './verdict.ts';

/** The process by whose clock grants are given. */
const SERVER = 'server';

export interface CheckOptions {
  /** How cursors are read. Default: as those of the project's own logs. */
  readonly readCursor?: ReadCursor;
}

/**
 * Decides whether a history keeps the guarantees: nothing owed was lost unsaid (G2), nothing came twice (G4), each
 * subscription saw the order of the log (G1), no cursor was promised that would lose something (G3), and no subscription
 * was forgotten within its grant. Beyond that, what arrived is what was emitted for this principal, in time, once, and not
 * after the end; no gap was told without a cause, no position given up, and something happened at all. Takes time and memory in proportion to the facts, and to the events subscriptions want.
 *
 * It reports only what is certain: of an emit that was never answered, and that nobody received, nothing is demanded.
 */
export function checkHistory(facts: readonly Fact[], { readCursor = readLogCursor }: CheckOptions = {}): Verdict {
  const table = new EventTable(facts, readCursor);
  const placement = placeUnanswered(facts, table);
  table.checkPositions();
  const subscriptions = new Map<string, CheckedSubscription>();
  const calm = new Calm();
  const rules: Rule[] = [
    new GapRule(table, calm),
    new DataRule(table),
    new EndRule(table),
    new RepetitionRule(calm),
    new LatenessRule(table, calm),
    new StartRule(),
    new EmptinessRule(),
  ];
  let kills = 0;
  const serverClock = new ServerClock();
  facts.forEach((fact, index) => {
    const evidence = { index, fact };
    calm.take(fact, index);
    if (fact.fact === 'restored') table.restored(fact);
    for (const rule of rules) rule.take(fact, index);
    switch (fact.fact) {
      case 'begun': {
        let known = subscriptions.get(fact.subscription);
        if (known === undefined) {
          known = new CheckedSubscription(table, fact, index);
          subscriptions.set(fact.subscription, known);
        }
        known.begun(fact, index);
        break;
      }
      case 'subscribed':
        subscriptions.get(fact.subscription)?.subscribed(index);
        break;
      case 'received':
        subscriptions.get(fact.subscription)?.received(fact, index);
        break;
      case 'granted':
        subscriptions.get(fact.subscription)?.granted(fact, evidence, serverClock.aheadSince(fact.askedMs));
        break;
      case 'handed':
        subscriptions.get(fact.subscription)?.handed(fact.eventId, evidence);
        break;
      case 'acknowledging':
        subscriptions.get(fact.subscription)?.acknowledging(fact.eventId);
        break;
      case 'committed':
        subscriptions.get(fact.subscription)?.committed(fact.eventId, evidence);
        break;
      case 'ended':
        subscriptions.get(fact.subscription)?.ended(fact, evidence);
        break;
      case 'settled':
        for (const subscription of subscriptions.values()) {
          if ((fact.subscription ?? subscription.name) === subscription.name) subscription.settled(evidence);
        }
        break;
      case 'clockSet':
        if (fact.process !== SERVER) break;
        serverClock.set(fact);
        for (const subscription of subscriptions.values()) subscription.clockSet(fact.offsetMs);
        break;
      case 'restored':
        for (const subscription of subscriptions.values()) subscription.restored(fact);
        break;
      case 'killed':
        kills++;
        for (const subscription of subscriptions.values()) {
          if (subscription.process === fact.process) subscription.killed();
        }
        break;
      default:
    }
  });
  const checked = [...subscriptions.values()];
  for (const subscription of checked) subscription.finish();
  const sum = (count: (subscription: CheckedSubscription) => number): number =>
    checked.reduce((total, subscription) => total + count(subscription), 0);
  return {
    violations: [
      ...table.violations,
      ...placement,
      ...checked.flatMap(({ violations }) => violations),
      ...rules.flatMap(({ violations }) => violations),
    ],
    figures: {
      emitted: table.emitted,
      unanswered: table.unanswered,
      subscriptions: checked.length,
      handed: sum(({ handedCount }) => handedCount),
      gaps: sum(({ gaps }) => gaps),
      late: sum(({ late }) => late),
      cursors: sum(({ cursors }) => cursors),
      kills,
    },
    examined: {
      loss: sum(({ owed }) => owed),
      duplicate: sum(({ handedCount }) => handedCount),
      order: sum(({ ordered }) => ordered),
      cursor: sum(({ promises }) => promises),
      grant: sum(({ grants }) => grants),
      phantom: sum(({ looked }) => looked),
      log: table.placed,
      ...(Object.fromEntries(rules.map(({ kind, examined }) => [kind, examined])) as Record<
        'gap' | 'data' | 'ended' | 'repetition' | 'late' | 'position' | 'empty',
        number
      >),
    },
  };
}
