import { Events } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { compose, withOptions } from '../src/simulation/composition.ts';
import { COMPOSITION } from '../src/simulation/compositionTable.ts';
import { checkedSource, filteredSource, matchedSource, Upstream } from '../src/simulation/eventSources.ts';
import type { AuthorBehaviour } from '../src/simulation/eventSources.ts';
import { furtherSources } from '../src/simulation/furtherSources.ts';
import { Random } from '../src/simulation/random.ts';
import { settingsOf } from '../src/simulation/settings.ts';
import { ProcessClock, TimeOfDay, VirtualTime } from '../src/simulation/virtualTime.ts';

/** No option of anything is alike. */
const UNKNOWN = { '!': 1 };

const definedWith = (definition: object): unknown =>
  new Events().define('opened', { payload: { type: 'object' }, ...definition });

const ENTRIES: Readonly<Record<string, () => unknown>> = {
  'the options of Events': () => new Events(UNKNOWN as never),
  limits: () => new Events({ limits: UNKNOWN as never }),
  webhooks: () => new Events({ webhooks: UNKNOWN as never }),
  'webhooks.limits': () => new Events({ webhooks: { limits: UNKNOWN as never } }),
  'webhooks.retry': () => new Events({ webhooks: { retry: UNKNOWN as never } }),
  'webhooks.suspension': () => new Events({ webhooks: { suspension: UNKNOWN as never } }),
  'webhooks.ttl': () => new Events({ webhooks: { ttl: UNKNOWN as never } }),
  'event type': () => definedWith(UNKNOWN),
  retention: () => definedWith({ retention: UNKNOWN }),
};

/** The options that there are, as the server tells whoever misspells one. */
function optionsOf(enter: () => unknown): string[] {
  try {
    enter();
  } catch (error) {
    const [, names = ''] = /, only (.+)$/.exec((error as Error).message) ?? [];
    return names.split(', ').toSorted();
  }
  return [];
}

/** All values of an option that seeds give it, as text. */
function valuesOf(entry: string, option: string): Set<string> {
  const found = new Set<string>();
  const path = [...entry.split('.').filter((part) => !part.includes(' ') && part !== 'retention'), option];
  const see = (root: unknown, members: readonly string[]): void => {
    const value = members.reduce<unknown>((at, member) => (at as Record<string, unknown> | undefined)?.[member], root);
    found.add(typeof value === 'function' ? 'function' : (JSON.stringify(value) ?? 'none'));
  };
  for (let seed = 1; seed <= 40; seed++) {
    const composition = compose(seed, new Random(seed + 0.5), settingsOf(new Random(seed)));
    if (entry !== 'event type' && entry !== 'retention') see(composition.settings.options, path);
    else {
      for (const definition of definitionsOf(composition))
        see(definition, entry === 'retention' ? [entry, option] : [option]);
    }
  }
  return found;
}

function definitionsOf(composition: ReturnType<typeof compose>): unknown[] {
  const random = new Random(1);
  const author: AuthorBehaviour = { latencyMs: 0, failure: 0, onFailure: () => {} };
  const retention = { maxCount: composition.settings.maxCount };
  const own = [
    filteredSource(retention),
    matchedSource(retention, author, random),
    checkedSource(new Upstream(true, 2), author, random),
  ];
  const { sources } = furtherSources(composition, retention, author, random);
  const time = new VirtualTime(0);
  const clock = new ProcessClock(time, new TimeOfDay(time));
  return [...withOptions(own, composition), ...sources].map((source) => source.definition(clock));
}

describe('the composition of the foreign world', () => {
  it('has an entry, or a reason, for each option of the server, and for nothing else', () => {
    expect(Object.keys(COMPOSITION)).toEqual(Object.keys(ENTRIES));
    for (const [entry, enter] of Object.entries(ENTRIES)) {
      const options = optionsOf(enter);
      expect(options.length).toBeGreaterThan(1);
      expect([entry, Object.keys(COMPOSITION[entry] ?? {}).toSorted()]).toEqual([entry, options]);
    }
  });

  const varied = Object.entries(COMPOSITION).flatMap(([entry, options]) =>
    Object.entries(options).flatMap(([option, composed]) => (composed === 'varies' ? [[entry, option] as const] : [])),
  );

  it.each(varied)('%s: %s differs between seeds', (entry, option) => {
    expect(valuesOf(entry, option).size).toBeGreaterThan(1);
  });
});
