import type { EventsOptions } from '@mcp-events/server';
import type { Interest } from './application.ts';
import type { Random } from './random.ts';
import { ROTATION_GRACE_MS } from './settings.ts';
import { PRINCIPALS } from './authoredEvent.ts';

/** What a seed decides of one application. */
export interface ApplicationSettings {
  readonly name: string;
  readonly principal: string;
  readonly usesWebhooks: boolean;
  readonly ttlMs: number | null | undefined;
  readonly maxBufferedEvents: number | undefined;
  readonly interests: readonly Interest[];
}

/** What a seed decides before anything happens. */
export interface ClientSettings {
  readonly steps: number;
  readonly maxCount: number;
  readonly readsAtOnce: boolean;
  readonly pageSize: number;
  /** Whether the server's storage is the real one, in SQLite. Then there is an outbox as well. */
  readonly usesSqlite: boolean;
  readonly options: EventsOptions;
  readonly applications: readonly ApplicationSettings[];
}

const ARGUMENTS: readonly Interest['arguments'][] = [{}, { severity: 'high' }, { severity: ['high', 'low'] }];

/** Grants of seconds are rare, and not of few of them: each refresh stores a position, and takes as long as a minute without. */
const TTLS_MS = [undefined, undefined, undefined, null, null, null, 60_000, 60_000, 600_000, 600_000, 600_000, 20_000];

const TYPES = ['filtered', 'matched', 'transformed', 'checked'];

export function clientSettingsOf(random: Random): ClientSettings {
  const usesSqlite = random.chance(0.35);
  const types = usesSqlite ? [...TYPES, 'outboxed'] : TYPES;
  return {
    usesSqlite,
    steps: random.int(20, 60),
    maxCount: random.pick([20, 10_000, 10_000]),
    readsAtOnce: random.chance(0.5),
    pageSize: random.pick([3, 1_000]),
    options: {
      dialect: 'final',
      heartbeatIntervalMs: 30_000,
      limits: { streamBufferBytes: random.pick([1_000, 262_144]) },
      webhooks: {
        ttl: { noExpiry: true, minMs: 3_000 },
        rotationGraceMs: ROTATION_GRACE_MS,
        limits: { outstandingPerSubscription: random.pick([1, 5, 64]) },
        retry: random.chance(0.5)
          ? { attempts: 100, windowMs: 2_592_000_000, maxDelayMs: 60_000 }
          : { attempts: random.pick([3, 5]) },
      },
    },
    applications: Array.from({ length: random.int(2, 4) }, (_, n) => applicationOf(random, n, types)),
  };
}

function applicationOf(random: Random, n: number, types: readonly string[]): ApplicationSettings {
  const name = `app${n}`;
  const usesWebhooks = random.chance(0.6);
  const wanted = new Map<string, Omit<Interest, 'subscription'>>();
  for (let count = random.int(1, 5); count > 0; count--) {
    const type = random.pick(types);
    const args = random.pick(ARGUMENTS);
    const delivery = random.pick([undefined, undefined, 'push', 'poll', usesWebhooks ? 'webhook' : 'poll'] as const);
    const longPollMs = random.chance(0.3) ? 20_000 : undefined;
    const maxEvents = random.chance(0.3) ? random.int(1, 5) : undefined;
    // The same type and arguments are the same subscription.
    wanted.set(JSON.stringify([type, args]), { type, arguments: args, delivery, longPollMs, maxEvents });
  }
  return {
    name,
    principal: PRINCIPALS[n % PRINCIPALS.length] as string,
    usesWebhooks,
    ttlMs: random.pick(TTLS_MS),
    maxBufferedEvents: random.pick([undefined, 4]),
    interests: [...wanted.values()].map((interest, index) => ({ subscription: `${name}-${index}`, ...interest })),
  };
}
