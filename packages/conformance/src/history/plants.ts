import {
  afterTheEnd,
  emptiness,
  foreignData,
  forgottenPosition,
  lateness,
  needlessGap,
  repetition,
} from './arrivalPlants.ts';
import { isFor } from './facts.ts';
import type { BegunFact, EmittedFact, Fact } from './facts.ts';
import { pick } from './plantableHistory.ts';
import type { PlainHanding, Plant, PlantableHistory } from './plantableHistory.ts';
import type { ViolationKind } from './verdict.ts';

/** Takes an event away from a subscription, everywhere. */
const loss: Plant = (history, choice) => {
  const { facts, handings } = history;
  const settled = facts.findLastIndex((fact) => fact.fact === 'settled');
  const owed = handings.filter(
    ({ handed, subscription }) => handed < settled && !history.endsAfter(subscription, handed),
  );
  const chosen = pick(owed, choice);
  if (chosen === undefined) return undefined;
  const { subscription, eventId } = chosen;
  const isMine = (fact: Fact): boolean => 'subscription' in fact && fact.subscription === subscription;
  return facts
    .filter((fact) => !('eventId' in fact && fact.eventId === eventId && isMine(fact)))
    .map((fact) =>
      fact.fact === 'received' && isMine(fact) && fact.events !== undefined
        ? { ...fact, events: fact.events.filter((id) => id !== eventId) }
        : fact,
    );
};

const duplicate: Plant = ({ facts, handings }, choice) => {
  const chosen = pick(handings, choice);
  if (chosen === undefined) return undefined;
  const later = chosen.committed + 1 + (choice % (facts.length - chosen.committed));
  return facts.toSpliced(later, 0, facts[chosen.handed] as Fact);
};

/** Given again after the next one, in the same life of the application, to which it was not given before. */
const order: Plant = (history, choice) => {
  const { facts } = history;
  const pair = pick(neighbours(history), choice);
  if (pair === undefined) return undefined;
  const [first, second] = pair;
  const moved = [facts[first.handed] as Fact, facts[first.committed] as Fact];
  return facts
    .toSpliced(second.committed + 1, 0, ...moved)
    .toSpliced(first.committed, 1)
    .toSpliced(first.handed, 1);
};

/** Two that one application got right after each other. */
function neighbours(history: PlantableHistory): [PlainHanding, PlainHanding][] {
  const { facts, handings } = history;
  const latest = new Map<string, PlainHanding>();
  return handings.flatMap((second) => {
    const { subscription } = second;
    const first = latest.get(subscription);
    latest.set(subscription, second);
    if (first === undefined || first.committed > second.handed) return [];
    const isCalm = facts.slice(first.handed + 1, second.handed).every(
      // What settles, ends a life, or was given in between makes another story of it.
      (fact) =>
        !['killed', 'begun', 'settled'].includes(fact.fact) &&
        !(fact.fact === 'handed' && fact.subscription === subscription),
    );
    const [before, after] = [history.placeOf(first.eventId), history.placeOf(second.eventId)];
    const isOrdered = before?.epoch === after?.epoch && (before?.position ?? 0) < (after?.position ?? 0);
    return isCalm && isOrdered ? [[first, second]] : [];
  });
}

/** A cursor that lies behind an event which comes later. */
const cursor: Plant = (history, choice) => {
  const { facts, handings } = history;
  const promises = promisesBefore(facts);
  const candidates = handings.flatMap(({ subscription, eventId }) => {
    const promise = promises.get(JSON.stringify([subscription, eventId]));
    return promise === undefined ? [] : [{ promise, eventId }];
  });
  const chosen = pick(candidates, choice);
  if (chosen === undefined) return undefined;
  const { cursor: ahead } = history.answerOf(chosen.eventId) as EmittedFact;
  return facts.with(chosen.promise, { ...(facts[chosen.promise] as Fact), cursor: ahead } as Fact);
};

/** The cursor that was received last before each event arrived, as an index, where it was not the first one. */
function promisesBefore(facts: readonly Fact[]): Map<string, number> {
  const promises = new Map<string, number>();
  const arrived = new Set<string>();
  const latest = new Map<string, number>();
  const hasBegun = new Set<string>();
  facts.forEach((fact, index) => {
    if (fact.fact === 'begun') {
      latest.delete(fact.subscription);
      hasBegun.delete(fact.subscription);
    }
    if (fact.fact !== 'received' && fact.fact !== 'handed') return;
    const { subscription } = fact;
    // A handing may be recorded before the arrival: once it was given, a cursor behind it is true.
    for (const eventId of fact.fact === 'handed' ? [fact.eventId] : (fact.events ?? [])) {
      const key = JSON.stringify([subscription, eventId]);
      const promise = latest.get(subscription);
      if (promise !== undefined && !arrived.has(key)) promises.set(key, promise);
      arrived.add(key);
    }
    if (fact.fact === 'handed' || typeof fact.cursor !== 'string') return;
    // The first cursor says where the subscription starts: that one may be anything.
    if (hasBegun.has(subscription) && fact.gap !== true) latest.set(subscription, index);
    hasBegun.add(subscription);
  });
  return promises;
}

const grant: Plant = ({ facts }, choice) => {
  const granted = facts.flatMap((fact, index) => (fact.fact === 'granted' ? [{ fact, index }] : []));
  const chosen = pick(granted, choice);
  if (chosen === undefined) return undefined;
  const { subscription } = chosen.fact;
  return facts.toSpliced(chosen.index + 1, 0, {
    fact: 'ended',
    subscription,
    how: 'forgotten',
    atMs: choice % 1_000,
  });
};

/** An event that was refused, or never emitted, that another argument asks for, or that others alone may see. */
const phantom: Plant = (history, choice) => {
  const { facts } = history;
  const at = pick(
    history.indexesOf((fact) => fact.fact === 'begun'),
    choice,
  );
  if (at === undefined) return undefined;
  const begun = facts[at] as BegunFact;
  const { subscription } = begun;
  const foreign = facts.flatMap((fact) => {
    if (fact.fact !== 'emitting') return [];
    const isForeign = fact.type !== begun.type || !isFor(begun, fact);
    const isAnswered = history.answerOf(fact.eventId) !== undefined;
    return history.isRefused(fact.eventId) || (isForeign && isAnswered) ? [fact.eventId] : [];
  });
  const eventId = pick(['nobody', ...foreign], choice) as string;
  return facts.toSpliced(at + 1 + (choice % (facts.length - at)), 0, { fact: 'handed', subscription, eventId });
};

/** A log that gave a position again. */
const position: Plant = (history, choice) => {
  const { facts } = history;
  const earlier = new Map<string, string>();
  const repeatable = facts.flatMap((fact, index) => {
    if (fact.fact !== 'emitted') return [];
    const type = history.emittingOf(fact.eventId)?.type ?? '';
    const before = earlier.get(type);
    earlier.set(type, fact.cursor);
    return before === undefined || before === fact.cursor ? [] : [{ index, fact, before }];
  });
  const chosen = pick(repeatable, choice);
  if (chosen === undefined) return undefined;
  return facts.with(chosen.index, { ...chosen.fact, cursor: chosen.before });
};

export const plants: Readonly<Record<ViolationKind, { readonly title: string; readonly plant: Plant }>> = {
  loss: { title: 'an event that never comes', plant: loss },
  duplicate: { title: 'an event that comes twice', plant: duplicate },
  order: { title: 'an event that comes after the next one', plant: order },
  cursor: { title: 'a cursor that is ahead of what came', plant: cursor },
  grant: { title: 'a subscription that is forgotten within its grant', plant: grant },
  phantom: { title: 'an event that should not be there', plant: phantom },
  log: { title: 'a position that is given twice', plant: position },
  gap: { title: 'a gap without a cause', plant: needlessGap },
  data: { title: 'an event with the data of another', plant: foreignData },
  ended: { title: 'an event after the end', plant: afterTheEnd },
  repetition: { title: 'an event that arrives again though nothing was disturbed', plant: repetition },
  late: { title: 'an event that comes after the stated time', plant: lateness },
  position: { title: 'a position that was given up', plant: forgottenPosition },
  empty: { title: 'a history in which nothing is handed out', plant: emptiness },
};
