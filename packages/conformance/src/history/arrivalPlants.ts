import { concerns, isFor } from './facts.ts';
import type { BegunFact, Fact, ReceivedFact } from './facts.ts';
import { END_GRACE_MS } from './endRule.ts';
import type { Plant, PlantableHistory } from './plantableHistory.ts';
import { pick } from './plantableHistory.ts';

/** From the last of these facts on every cause and every disturbance is told. */
function calmIndex({ facts }: PlantableHistory): number {
  return facts.findLastIndex(({ fact }) => fact === 'calm');
}

function timeAt({ facts }: PlantableHistory, index: number): number {
  return facts.slice(0, index + 1).reduce((latest, { at }) => Math.max(latest, at ?? -Infinity), -Infinity);
}

/** The first fact from a place on that changes what is to be expected of a subscription. */
function disturbanceAfter({ facts }: PlantableHistory, subscription: string, from: number): number {
  for (let index = from; index < facts.length; index++) {
    const fact = facts[index] as Fact;
    if (['killed', 'started', 'calm', 'disturbed'].includes(fact.fact)) return index;
    const isChange = fact.fact === 'begun' || fact.fact === 'ended';
    if (isChange && fact.subscription === subscription) return index;
  }
  return facts.length;
}

/** A gap from nowhere, which nothing before it explains. */
export const needlessGap: Plant = (history, choice) => {
  const { facts } = history;
  const calm = calmIndex(history);
  if (calm === -1) return undefined;
  const causes = facts.filter((fact) => fact.fact === 'lossCause');
  const begun = new Map<string, BegunFact>();
  /** One that never had a position may have been interrupted at its beginning. */
  const placed = new Set<string>();
  const received = facts.flatMap((fact, index) => {
    if (fact.fact === 'begun') {
      begun.set(fact.subscription, fact);
      if (fact.cursor !== null) placed.add(fact.subscription);
    }
    if (fact.fact !== 'received') return [];
    const mine = begun.get(fact.subscription);
    const isPlaced = placed.has(fact.subscription);
    if (typeof fact.cursor === 'string') placed.add(fact.subscription);
    if (index < calm || !isPlaced || mine === undefined) return [];
    return causes.some((cause) => concerns(cause, mine)) ? [] : [{ fact, index }];
  });
  const chosen = pick(received, choice);
  return chosen && facts.with(chosen.index, { ...chosen.fact, gap: true });
};

/** The data of another event, or of another principal. */
export const foreignData: Plant = ({ facts }, choice) => {
  const handed = facts.flatMap((fact, index) => (fact.fact === 'handed' && fact.hash ? [{ fact, index }] : []));
  const chosen = pick(handed, choice);
  const other = handed.find(({ fact }) => fact.hash !== chosen?.fact.hash);
  if (chosen === undefined || other === undefined) return undefined;
  return facts.with(chosen.index, { ...chosen.fact, hash: other.fact.hash });
};

/** An event that comes to a subscription that is over. */
export const afterTheEnd: Plant = (history, choice) => {
  const { facts } = history;
  const ends = facts.flatMap((fact, index) => {
    if (fact.fact !== 'ended' || fact.how === 'forgotten' || (fact.how === 'asked' && fact.final !== true)) return [];
    const begun = facts.findLast((one, at) => at < index && isBegun(one, fact.subscription)) as BegunFact | undefined;
    const next = facts.findIndex((one, at) => at > index && isBegun(one, fact.subscription));
    const last = next === -1 ? facts.length : next;
    const event = facts.find(
      (one, at) => at < last && one.fact === 'emitting' && one.type === begun?.type && isFor(begun, one),
    );
    if (event?.fact !== 'emitting' || history.answerOf(event.eventId) === undefined) return [];
    return [{ fact, last, eventId: event.eventId, atMs: timeAt(history, last - 1) }];
  });
  const chosen = pick(ends, choice);
  if (chosen === undefined || !Number.isFinite(chosen.atMs)) return undefined;
  const { subscription } = chosen.fact;
  const late: ReceivedFact = {
    fact: 'received',
    subscription,
    events: [chosen.eventId],
    at: chosen.atMs + (chosen.fact.graceMs ?? END_GRACE_MS),
  };
  return facts.toSpliced(chosen.last, 0, late);
};

function isBegun(fact: Fact, subscription: string): boolean {
  return fact.fact === 'begun' && fact.subscription === subscription;
}

/** A message that arrives once more while all is calm. */
export const repetition: Plant = (history, choice) => {
  const { facts } = history;
  const calm = calmIndex(history);
  if (calm === -1 || facts.some((fact, index) => index > calm && isForAll(fact))) return undefined;
  const received = facts.flatMap((fact, index) =>
    fact.fact === 'received' && index > calm && (fact.events?.length ?? 0) > 0 && !fact.gap ? [{ fact, index }] : [],
  );
  const chosen = pick(received, choice);
  if (chosen === undefined) return undefined;
  const next = disturbanceAfter(history, chosen.fact.subscription, chosen.index + 1);
  const at = chosen.index + 1 + (choice % (next - chosen.index));
  const { subscription, events } = chosen.fact;
  return facts.toSpliced(at, 0, { fact: 'received', subscription, events: events as string[] });
};

/** Whether a fact says that everything may be late, or come again, from there on. */
function isForAll(fact: Fact): boolean {
  return fact.fact === 'disturbed' && fact.subscription === undefined && fact.process === undefined;
}

/** An event that is handed long after it should have been, with everything behind it. */
export const lateness: Plant = (history, choice) => {
  const { facts } = history;
  const calm = calmIndex(history);
  if (calm === -1) return undefined;
  // A grant may have ended meanwhile.
  const granted = new Set(facts.flatMap((fact) => (fact.fact === 'granted' ? [fact.subscription] : [])));
  const candidates = history.handings.flatMap(({ subscription, eventId, handed }) => {
    const answered = history.answeredAt(eventId);
    if (handed < calm || answered === undefined || answered < calm || granted.has(subscription)) return [];
    const begun = facts.findLast((fact, at) => at < handed && isBegun(fact, subscription)) as BegunFact | undefined;
    const arrived = facts.findIndex(
      (fact, at) =>
        at === handed ||
        (fact.fact === 'received' && fact.subscription === subscription && fact.events?.includes(eventId)),
    );
    const isCalm = answered < arrived && disturbanceAfter(history, subscription, answered) >= arrived;
    return isCalm && begun?.withinMs !== undefined ? [{ arrived, withinMs: begun.withinMs }] : [];
  });
  const chosen = pick(candidates, choice);
  if (chosen === undefined) return undefined;
  const laterMs = chosen.withinMs * 2;
  return facts.map((fact, index) =>
    index < chosen.arrived || fact.at === undefined ? fact : { ...fact, at: fact.at + laterMs },
  );
};

/** A subscription that is to go on where it was, and begins from now. */
export const forgottenPosition: Plant = (history, choice) => {
  const { facts } = history;
  const began = facts.flatMap((fact, index) => {
    if (fact.fact !== 'begun' || fact.resumes !== true || fact.cursor === null) return [];
    const mine = facts.slice(0, index).filter((one) => 'subscription' in one && one.subscription === fact.subscription);
    const life = mine.slice(mine.findLastIndex((one) => one.fact === 'ended') + 1);
    return life.some((one) => one.fact === 'committed') ? [{ fact, index }] : [];
  });
  const chosen = pick(began, choice);
  return chosen && facts.with(chosen.index, { ...chosen.fact, cursor: null });
};

/** A history without anything that was handed out. */
export const emptiness: Plant = ({ facts }) => facts.filter(({ fact }) => fact !== 'handed');
