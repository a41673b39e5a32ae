import type { EventsOptions, OrderedPeer } from '@mcp-events/server';
import type { EventSource } from './eventSources.ts';
import type { Random } from './random.ts';
import { withOneRefused } from './refusedAlone.ts';
import type { Settings } from './settings.ts';

/** Which of the loads that not every schedule has a seed gets. */
export interface FurtherLoads {
  /** A type without replay. */
  readonly isLive: boolean;
  /** A type with several filter arguments. */
  readonly isLocated: boolean;
  /** A log of more than a thousand events. */
  readonly isLong: boolean;
  /** So many receivers of one event that it is dispatched in several turns. */
  readonly isCrowded: boolean;
  /** Streams that are not read while there is much to read. */
  readonly hasSlowReaders: boolean;
  /** Events of a type whose filter reads them are damaged before most starts, so that who comes back has to read past them. */
  readonly isDamaged: boolean;
  /** What happens in the last calm: one event is refused while others are taken, and the server is killed before, after, or not. */
  readonly last: 'nothing' | 'refusal' | 'refusal and crash' | 'crash and refusal';
}

/** What a seed composes of the options that {@link Settings} leave alone. */
export interface Composition extends FurtherLoads {
  readonly settings: Settings;
  /** Event types whose webhooks get order on the wire, unless their clients or the operator say otherwise. */
  readonly orderedTypes: ReadonlySet<string>;
}

/** Most subscriptions beside those of the settings: with a crowd, and without. */
const CROWDED = 3_000;
const FURTHER = 6;

/** Each of the loads that take long, or need much of the settings for themselves: one seed in so many. */
const COSTLY_EVERY = 40;

const AGES_MS = [20_000, 300_000, 3_600_000];

/** The type whose events a schedule of damages damages, and who comes back to them. */
export const DAMAGED_TYPE = 'matched';
const FOLLOWER_OF_DAMAGED: Settings['subscribers'][number] = {
  principal: 'alice',
  mode: 'webhook',
  subscription: 'webhook0',
  type: DAMAGED_TYPE,
  arguments: {},
  ttlMs: 3_600_000,
};

/** What an operator decides on order, whatever else is said. */
type Rule = (peer: Pick<OrderedPeer, 'principal'>) => boolean | undefined;

const RULES: readonly Rule[] = [
  ({ principal }) => (principal === 'alice' ? true : undefined),
  ({ principal }) => (principal === 'bob' ? false : undefined),
];

/** @param random decides on all but the costly loads, and on nothing else, so that the rest of a schedule is the same with and without */
export function compose(seed: number, random: Random, settings: Settings): Composition {
  const orderedTypes = new Set(['filtered', 'matched', 'checked'].filter(() => random.chance(0.15)));
  const isRefusedAlone = seed % COSTLY_EVERY === 11;
  const chosen: Rule | undefined = random.chance(0.2) ? random.pick(RULES) : undefined;
  const rule = isRefusedAlone ? undefined : chosen;
  const subscribers = settings.subscribers.map((wish) => {
    const asked = random.chance(0.4) ? random.pick([true, true, false]) : undefined;
    const granted = rule?.(wish) ?? asked ?? orderedTypes.has(wish.type);
    const maxAgeMs = random.chance(0.15) ? random.pick(AGES_MS) : undefined;
    return { ...wish, ordered: { asked, granted }, maxAgeMs };
  });
  const isLong = seed % COSTLY_EVERY === 7;
  const isCrowded = seed % COSTLY_EVERY === 23;
  const isDamaged = seed % COSTLY_EVERY === 17;
  const loads: FurtherLoads = {
    isLive: random.chance(0.3),
    isLocated: random.chance(0.3),
    isLong,
    isCrowded,
    isDamaged,
    hasSlowReaders: random.chance(0.3),
    last: lastOf(random, isRefusedAlone, isDamaged),
  };
  const wishes = isDamaged ? [FOLLOWER_OF_DAMAGED, ...subscribers.slice(1)] : subscribers;
  const composed = { ...settings, subscribers: wishes, options: optionsOf(settings.options, loads, rule) };
  return { settings: isRefusedAlone ? withOneRefused(composed) : composed, orderedTypes, ...loads };
}

function lastOf(random: Random, isRefusal: boolean, isDamaged: boolean): FurtherLoads['last'] {
  const last = random.weighted({ nothing: 2, refusal: 1, 'refusal and crash': 1 });
  if (isDamaged) return 'refusal and crash';
  return isRefusal ? 'crash and refusal' : last;
}

function optionsOf(options: EventsOptions, { isLong, isCrowded }: FurtherLoads, rule: Rule | undefined): EventsOptions {
  const { limits, webhooks } = options;
  const subscriptions = (limits?.subscriptions ?? 0) + (isCrowded ? CROWDED : FURTHER);
  return {
    ...options,
    // What is read from the log is not dispatched.
    limits: { ...limits, subscriptions, ...(isLong || isCrowded ? { streamBufferBytes: 262_144 } : {}) },
    webhooks: { ...webhooks, ...(rule === undefined ? {} : { ordered: rule }) },
  };
}

/** The same event types, some of them with order on the wire, and one of them looked up by what its events hold. */
export function withOptions(sources: readonly EventSource[], { orderedTypes, isDamaged }: Composition): EventSource[] {
  return sources.map((source) => {
    const options = {
      ...(orderedTypes.has(source.name) ? { orderedWebhooks: true } : {}),
      ...(isDamaged && source.name === DAMAGED_TYPE ? { filter: { severity: 'severity' } } : {}),
    };
    return { ...source, definition: (clock) => ({ ...source.definition(clock), ...options }) };
  });
}
