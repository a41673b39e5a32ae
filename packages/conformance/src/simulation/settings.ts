import type { EventsOptions } from '@mcp-events/server';
import type { Random } from './random.ts';
import type { Wish } from './subscriber.ts';
import type { ServerRules } from './webhookSubscriber.ts';

/** What a seed decides before anything happens. */
export interface Settings {
  readonly steps: number;
  readonly maxCount: number;
  readonly readsAtOnce: boolean;
  readonly addressable: boolean;
  readonly pageSize: number;
  readonly options: EventsOptions;
  readonly rules: ServerRules;
  readonly subscribers: readonly (Wish & {
    readonly mode: 'poll' | 'push' | 'webhook';
    readonly ttlMs: number | null;
  })[];
}

/** Room for all that are followed, and less than anonymous callers ask for. */
const MOST_SUBSCRIPTIONS = 20;

/** How long the server may go on signing with a secret that was replaced. */
export const ROTATION_GRACE_MS = 300_000;

const WISHES: readonly Wish['arguments'][] = [{}, { severity: 'high' }, { severity: ['high', 'low'] }];

const TYPES = ['filtered', 'filtered', 'matched', 'checked'];

/** Waits of the server before it tries again: the first one, and by how much each later one is longer. */
const FIRST_RETRY_MS = 5_000;
const RETRY_GROWTH = 4;

/** The longest one, where the settings say no other. */
const MAX_RETRY_MS = 300_000;

/** By how much a wait may be longer by chance, and what an endpoint asks for at the most. */
const RETRY_JITTER = 1.25;
const LONGEST_RETRY_AFTER_MS = 30_000;

function longestRetryMs({ attempts, maxDelayMs = MAX_RETRY_MS }: { attempts: number; maxDelayMs?: number }): number {
  const lastMs = FIRST_RETRY_MS * RETRY_GROWTH ** (attempts - 2);
  return Math.max(Math.min(lastMs, maxDelayMs) * RETRY_JITTER, LONGEST_RETRY_AFTER_MS);
}

export function settingsOf(random: Random): Settings {
  const count = random.int(2, 6);
  const steps = random.int(20, 90);
  const maxCount = random.pick([3, 8, 10_000]);
  const readsAtOnce = random.chance(0.5);
  const addressable = random.chance(0.5);
  const pageSize = random.pick([2, 1_000]);
  const limits = { streamBufferBytes: random.pick([300, 2_000, 262_144]), subscriptions: MOST_SUBSCRIPTIONS };
  const outstandingPerSubscription = random.pick([1, 2, 5, 64]);
  const suspension = { minAttempts: random.pick([5, 12, 100]) };
  const retry = random.chance(0.5)
    ? { attempts: 100, windowMs: 2_592_000_000, maxDelayMs: 60_000 }
    : { attempts: random.pick([2, 3, 5]) };
  return {
    steps,
    maxCount,
    readsAtOnce,
    addressable,
    pageSize,
    rules: {
      rotationGraceMs: ROTATION_GRACE_MS,
      longestRetryMs: longestRetryMs(retry),
      outstanding: outstandingPerSubscription,
    },
    options: {
      heartbeatIntervalMs: 30_000,
      limits,
      webhooks: {
        ttl: { noExpiry: true, minMs: 60_000 },
        rotationGraceMs: ROTATION_GRACE_MS,
        limits: { outstandingPerSubscription },
        suspension,
        retry,
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
