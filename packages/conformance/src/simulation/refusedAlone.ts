import type { Settings } from './settings.ts';

/** Room for all that a schedule has under way for one webhook. */
const OUTSTANDING = 64;

/** Longest wait before an attempt that is made again: longer than what is emitted may take. */
const LONGEST_WAIT_MS = 60_000;
const JITTER = 1.25;

const NEVER_ATTEMPTS = 100;
const NEVER_MS = 2_592_000_000;

/**
 * Settings under which an event that one webhook refuses waits for longer than others may take that are emitted meanwhile,
 * while nothing lets these wait with it: no order on the wire, room for all of them, no suspension, and no giving up.
 */
export function withOneRefused({ rules, options, subscribers, ...settings }: Settings): Settings {
  const { webhooks } = options;
  const limits = { ...webhooks?.limits, outstandingPerSubscription: OUTSTANDING };
  const retry = { attempts: NEVER_ATTEMPTS, windowMs: NEVER_MS, maxDelayMs: LONGEST_WAIT_MS };
  const [first, ...others] = subscribers;
  return {
    ...settings,
    rules: { ...rules, outstanding: OUTSTANDING, longestRetryMs: LONGEST_WAIT_MS * JITTER },
    options: { ...options, webhooks: { ...webhooks, limits, retry, suspension: { minAttempts: NEVER_ATTEMPTS } } },
    subscribers: [
      {
        principal: first?.principal ?? 'alice',
        mode: 'webhook',
        subscription: 'webhook0',
        type: 'filtered',
        arguments: {},
        ttlMs: 3_600_000,
        ordered: { asked: false, granted: false },
      },
      ...others,
    ],
  };
}
