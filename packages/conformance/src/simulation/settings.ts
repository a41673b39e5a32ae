import type { EventsOptions } from '@mcp-events/server';
import type { Random } from './random.ts';
import type { Wish } from './subscriber.ts';

/** What a seed decides before anything happens. */
export interface Settings {
  readonly steps: number;
  readonly maxCount: number;
  readonly readsAtOnce: boolean;
  readonly addressable: boolean;
  readonly pageSize: number;
  readonly options: EventsOptions;
  readonly subscribers: readonly (Wish & {
    readonly mode: 'poll' | 'push' | 'webhook';
    readonly ttlMs: number | null;
  })[];
}

/** How long the server may go on signing with a secret that was replaced. */
export const ROTATION_GRACE_MS = 300_000;

const WISHES: readonly Wish['arguments'][] = [{}, { severity: 'high' }, { severity: ['high', 'low'] }];

const TYPES = ['filtered', 'filtered', 'matched', 'checked'];

export function settingsOf(random: Random): Settings {
  const count = random.int(2, 6);
  return {
    steps: random.int(20, 90),
    maxCount: random.pick([3, 8, 10_000]),
    readsAtOnce: random.chance(0.5),
    addressable: random.chance(0.5),
    pageSize: random.pick([2, 1_000]),
    options: {
      dialect: 'final',
      heartbeatIntervalMs: 30_000,
      limits: { streamBufferBytes: random.pick([300, 2_000, 262_144]) },
      webhooks: {
        ttl: { noExpiry: true, minMs: 60_000 },
        rotationGraceMs: ROTATION_GRACE_MS,
        limits: { outstandingPerSubscription: random.pick([1, 2, 5, 64]) },
        suspension: { minAttempts: random.pick([5, 12, 100]) },
        retry: random.chance(0.5)
          ? { attempts: 100, windowMs: 2_592_000_000, maxDelayMs: 60_000 }
          : { attempts: random.pick([2, 3, 5]) },
      },
    },
    subscribers: Array.from({ length: count }, (_, n) => {
      const mode = random.pick(['poll', 'push', 'webhook', 'webhook'] as const);
      return {
        mode,
        subscription: `${mode}${n}`,
        principal: random.pick(['alice', 'bob']),
        type: random.pick(TYPES),
        arguments: random.pick(WISHES),
        ttlMs: random.pick([null, 60_000, 600_000, 3_600_000]),
      };
    }),
  };
}
