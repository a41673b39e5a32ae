import type { Retention } from '@mcp-events/server';
import type { FurtherLoads } from './composition.ts';
import { filteredSource, matchedSource } from './eventSources.ts';
import type { AuthorBehaviour, EventSource } from './eventSources.ts';
import { LivePositions } from './livePositions.ts';
import type { Random } from './random.ts';
import type { Wish } from './subscriber.ts';

/** Places that events of a located type have, and those that long lists ask for. */
const REGIONS = Array.from({ length: 90 }, (_, n) => `region ${n}`);
const WANTED_REGIONS = REGIONS.slice(0, 80);

/** Around the end of the long lists. */
export const EMITTED_REGIONS: readonly string[] = REGIONS.slice(75, 85);

/**
 * Found by one argument or by both, by one while the other has too many values for look-up and is compared, and by
 * comparison alone.
 */
const LOCATED_WISHES: readonly Wish['arguments'][] = [
  { severity: 'high', region: WANTED_REGIONS },
  { severity: ['high', 'low'], region: WANTED_REGIONS.slice(40) },
  { region: WANTED_REGIONS },
  { severity: 'low', region: EMITTED_REGIONS.slice(0, 3) },
  { region: EMITTED_REGIONS.slice(4, 6) },
];

const LOCATED = {
  input: { type: 'object', properties: { severity: {}, region: {} } },
  payload: { type: 'object', properties: { severity: { type: 'string' }, region: { type: 'string' } } },
  filter: { severity: 'severity', region: 'region' },
};

const ALL: Wish['arguments'] = {};

/** A wish for one of the event types of this file, and how it is followed. */
export type FurtherWish = Wish & { readonly mode: 'push' | 'poll' };

export interface FurtherSources {
  readonly sources: readonly EventSource[];
  readonly wishes: readonly FurtherWish[];
  /** A function of the author's decides on the events of the type without replay. */
  readonly isLiveMatched: boolean;
}

/** Event types that not every schedule has, and who follows them. */
export function furtherSources(
  loads: FurtherLoads,
  retention: Partial<Retention>,
  author: AuthorBehaviour,
  random: Random,
): FurtherSources {
  const sources: EventSource[] = [];
  const wishes: FurtherWish[] = [];
  const isLiveMatched = random.chance(0.5);
  const follow = (type: string, mode: FurtherWish['mode'], args: Wish['arguments']): void => {
    const principal = random.pick(['dora', 'erin']);
    wishes.push({ subscription: `${type}${wishes.length}`, principal, type, mode, arguments: args });
  };
  if (loads.isLive) {
    const source = isLiveMatched ? matchedSource({}, author, random, 'live') : filteredSource({});
    sources.push({
      ...source,
      name: 'live',
      positions: new LivePositions(),
      definition: (clock) => ({ ...source.definition(clock), replay: false, retention: undefined }),
    });
    follow('live', 'push', ALL);
    follow('live', 'push', { severity: 'high' });
  }
  if (loads.isLocated) {
    const source = filteredSource(retention);
    sources.push({
      ...source,
      name: 'located',
      definition: (clock) => ({ ...source.definition(clock), ...LOCATED }),
    });
    for (const mode of ['push', 'poll'] as const) follow('located', mode, random.pick(LOCATED_WISHES));
  }
  if (loads.isLong) {
    // A stream that retention overtakes is told a gap, and shows nothing.
    sources.push({ ...filteredSource({ ...retention, maxCount: 10_000 }), name: 'long' });
    follow('long', 'push', ALL);
  }
  if (loads.isCrowded) follow('filtered', 'push', ALL);
  return { sources, wishes, isLiveMatched };
}
