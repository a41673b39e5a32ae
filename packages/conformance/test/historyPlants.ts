import { matches } from '@mcp-events/conformance';
import type { BegunFact, EmittedFact, EmittingFact, Fact, HandedFact, ViolationKind } from '@mcp-events/conformance';
import { cursorAt } from './historyGenerator.ts';

/** A history with one violation in it; `undefined` when this one has no place for it. */
type Plant = (facts: readonly Fact[], choice: number) => Fact[] | undefined;

/** The n-th of what there is, whatever n. */
function pick<T>(items: readonly T[], choice: number): T | undefined {
  return items[choice % items.length];
}

function indexesOf(facts: readonly Fact[], wanted: (fact: Fact, index: number) => boolean): number[] {
  return facts.flatMap((fact, index) => (wanted(fact, index) ? [index] : []));
}

function without(facts: readonly Fact[], unwanted: (fact: Fact, index: number) => boolean): Fact[] {
  return facts.filter((fact, index) => !unwanted(fact, index));
}

function isAnswered(facts: readonly Fact[], eventId: string): boolean {
  return facts.some((fact) => fact.fact === 'emitted' && fact.eventId === eventId);
}

/** Whether a gap was told to the subscription after the event began to be emitted: it may be covered. */
function mayBeExcused(facts: readonly Fact[], subscription: string, eventId: string): boolean {
  const emitting = facts.findIndex((fact) => fact.fact === 'emitting' && fact.eventId === eventId);
  return facts.some(
    (fact, index) =>
      index > emitting && fact.fact === 'received' && fact.gap === true && fact.subscription === subscription,
  );
}

/** Handings that were kept, of answered events no gap may excuse. */
function plainHandings(facts: readonly Fact[]): number[] {
  return indexesOf(facts, (fact, index) => {
    const next = facts[index + 1];
    return (
      fact.fact === 'handed' &&
      next?.fact === 'committed' &&
      isAnswered(facts, fact.eventId) &&
      !mayBeExcused(facts, fact.subscription, fact.eventId)
    );
  });
}

/** Whether nothing of the subscription's own will may end what is owed, from here on. */
function staysUntilSettled(facts: readonly Fact[], index: number, subscription: string): boolean {
  const settled = facts.findIndex((fact, i) => i > index && fact.fact === 'settled');
  return facts.slice(index, settled).every((fact) => !(fact.fact === 'ended' && fact.subscription === subscription));
}

const isOf =
  (subscription: string) =>
  (fact: Fact): boolean =>
    'subscription' in fact && fact.subscription === subscription;

/** Takes an event away from a subscription, everywhere. */
const loss: Plant = (facts, choice) => {
  const index = pick(
    plainHandings(facts).filter((i) => staysUntilSettled(facts, i, (facts[i] as HandedFact).subscription)),
    choice,
  );
  if (index === undefined) return undefined;
  const { subscription, eventId } = facts[index] as HandedFact;
  const mine = isOf(subscription);
  return without(facts, (fact) => 'eventId' in fact && fact.eventId === eventId && mine(fact)).map((fact) =>
    fact.fact === 'received' && mine(fact) && fact.events !== undefined
      ? { ...fact, events: fact.events.filter((id) => id !== eventId) }
      : fact,
  );
};

const duplicate: Plant = (facts, choice) => {
  const index = pick(plainHandings(facts), choice);
  if (index === undefined) return undefined;
  const later = index + 2 + (choice % (facts.length - index - 1));
  return facts.toSpliced(later, 0, facts[index] as Fact);
};

/** Given again after the next one, in the same life of the application, to which it was not given before. */
const order: Plant = (facts, choice) => {
  const handings = plainHandings(facts);
  const pairs = handings.flatMap((first) => {
    const { subscription } = facts[first] as HandedFact;
    const second = handings.find((i) => i > first && isOf(subscription)(facts[i] as Fact));
    if (second === undefined) return [];
    const isCalm = facts.slice(first, second).every((fact) => fact.fact !== 'killed' && fact.fact !== 'begun');
    return isCalm ? [[first, second] as const] : [];
  });
  const pair = pick(pairs, choice);
  if (pair === undefined) return undefined;
  const [first, second] = pair;
  const moved = facts.slice(first, first + 2);
  return facts.toSpliced(second + 2, 0, ...moved).toSpliced(first, 2);
};

/** A cursor that lies behind an event which comes later. */
const cursor: Plant = (facts, choice) => {
  const candidates = plainHandings(facts).flatMap((index) => {
    const { subscription, eventId } = facts[index] as HandedFact;
    const mine = isOf(subscription);
    const arrival = facts.findIndex(
      (fact) => fact.fact === 'received' && mine(fact) && fact.events?.includes(eventId) === true,
    );
    const promises = indexesOf(
      facts,
      (fact, i) => i < arrival && fact.fact === 'received' && fact.gap !== true && mine(fact),
    );
    const promise = promises.at(-1);
    // The first cursor says where the subscription starts: that one may be anything.
    const begun = facts.findLastIndex((fact, i) => i < arrival && fact.fact === 'begun' && mine(fact));
    if (promise === undefined || promise <= begun + 1) return [];
    const answer = facts.find((fact) => fact.fact === 'emitted' && fact.eventId === eventId) as EmittedFact;
    return [{ promise, cursor: answer.cursor }];
  });
  const chosen = pick(candidates, choice);
  if (chosen === undefined) return undefined;
  return facts.with(chosen.promise, { ...(facts[chosen.promise] as Fact), cursor: chosen.cursor } as Fact);
};

const grant: Plant = (facts, choice) => {
  const index = pick(
    indexesOf(facts, (fact) => fact.fact === 'granted'),
    choice,
  );
  const fact = index === undefined ? undefined : facts[index];
  if (index === undefined || fact?.fact !== 'granted') return undefined;
  return facts.toSpliced(index + 1, 0, {
    fact: 'ended',
    subscription: fact.subscription,
    how: 'forgotten',
    atMs: choice % 1_000,
  });
};

/** An event that was refused, or never emitted, or that another argument asks for. */
const phantom: Plant = (facts, choice) => {
  const at = pick(
    indexesOf(facts, (fact) => fact.fact === 'begun'),
    choice,
  );
  if (at === undefined) return undefined;
  const begun = facts[at] as BegunFact;
  const { subscription } = begun;
  const foreign = facts
    .filter((fact): fact is EmittingFact => fact.fact === 'emitting')
    .filter(({ eventId, type, values }) => {
      const isRefused = facts.some((fact) => fact.fact === 'emitFailed' && fact.eventId === eventId);
      const isForeign = type !== begun.type || !matches(begun.arguments, values);
      return isRefused || (isForeign && isAnswered(facts, eventId));
    })
    .map(({ eventId }) => eventId);
  const eventId = pick(['nobody', ...foreign], choice) as string;
  return facts.toSpliced(at + 1 + (choice % (facts.length - at)), 0, { fact: 'handed', subscription, eventId });
};

/** A log that gave a position again. */
const position: Plant = (facts, choice) => {
  const answers = indexesOf(facts, (fact) => fact.fact === 'emitted');
  const typeOf = (index: number): string =>
    (
      facts.find(
        (fact) => fact.fact === 'emitting' && fact.eventId === (facts[index] as EmittedFact).eventId,
      ) as EmittingFact
    ).type;
  const index = pick(
    answers.filter((i) => answers.some((earlier) => earlier < i && typeOf(earlier) === typeOf(i))),
    choice,
  );
  if (index === undefined) return undefined;
  const earlier = answers.findLast((i) => i < index && typeOf(i) === typeOf(index)) as number;
  const place = Number((facts[earlier] as EmittedFact).cursor.split('.')[1]);
  return facts.with(index, { ...(facts[index] as EmittedFact), cursor: cursorAt(place) });
};

export const plants: Readonly<Record<string, { readonly kind: ViolationKind; readonly plant: Plant }>> = {
  'an event that never comes': { kind: 'loss', plant: loss },
  'an event that comes twice': { kind: 'duplicate', plant: duplicate },
  'an event that comes after the next one': { kind: 'order', plant: order },
  'a cursor that is ahead of what came': { kind: 'cursor', plant: cursor },
  'a subscription that is forgotten within its grant': { kind: 'grant', plant: grant },
  'an event that should not be there': { kind: 'phantom', plant: phantom },
  'a position that is given twice': { kind: 'log', plant: position },
};
