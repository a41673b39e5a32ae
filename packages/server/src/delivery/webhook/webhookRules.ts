import { defaultSuspensionRules } from './failureRate.ts';
import type { SuspensionRules } from './failureRate.ts';
import { resolveTtlRules } from './grant.ts';
import type { TtlRules } from './grant.ts';
import { defaultRetryRules } from './retryPolicy.ts';
import type { RetryRules } from './retryPolicy.ts';
import { defaultSchedulingLimits } from './scheduling/fairScheduler.ts';
import { SecretSealer } from './signing/secretSealer.ts';
import { readOrigins } from './verification/callbackUrl.ts';
import type { CallbackUrlRules } from './verification/callbackUrl.ts';
import type { WebhookLimits, WebhookOptions } from './webhookOptions.ts';

export const defaultWebhookLimits: WebhookLimits = {
  ...defaultSchedulingLimits,
  outstandingPerSubscription: 64,
  challengesPerHostPerMinute: 60,
};

const DEFAULT_ROTATION_GRACE_MS = 300_000;
const DEFAULT_DROP_FAILING_AFTER_MS = 7 * 86_400_000;

/** What the options of webhook mode come to. */
export interface WebhookRules {
  readonly ttl: TtlRules;
  readonly url: CallbackUrlRules;
  readonly retry: RetryRules;
  readonly suspension: SuspensionRules;
  readonly limits: WebhookLimits;
  readonly rotationGraceMs: number;
  readonly dropFailingAfterMs: number;
  /** Encrypts what is stored; `undefined` where nothing is. */
  readonly sealer: SecretSealer | undefined;
}

/**
 * Fills in defaults. Throws a `TypeError` that names the wrong option.
 *
 * @param durable whether subscriptions are stored
 */
export function resolveWebhookRules(options: WebhookOptions, durable: boolean): WebhookRules {
  const { rotationGraceMs = DEFAULT_ROTATION_GRACE_MS, dropFailingAfterMs = DEFAULT_DROP_FAILING_AFTER_MS } = options;
  const { secretKeys, allowedOrigins, reachableOrigins, allowUrl } = options;
  const ttl = resolveTtlRules(options.ttl, durable);
  const url = {
    isAllowedOrigin: readOrigins('allowedOrigins', allowedOrigins),
    isReachableOrigin: readOrigins('reachableOrigins', reachableOrigins),
    allowUrl,
  };
  atLeast(rotationGraceMs, 0, 'rotationGraceMs');
  atLeast(dropFailingAfterMs, 1, 'dropFailingAfterMs');
  const limits = { ...defaultWebhookLimits, ...options.limits };
  for (const [name, value] of Object.entries(limits)) {
    // A rate may be less than one per second; everything else counts whole things.
    atLeast(value, name.endsWith('PerSecond') ? Number.MIN_VALUE : 1, `limits.${name}`);
  }
  const retry = { ...defaultRetryRules, ...options.retry };
  for (const [name, value] of Object.entries(retry)) atLeast(value, 1, `retry.${name}`);
  const suspension = { ...defaultSuspensionRules, ...options.suspension };
  for (const [name, value] of Object.entries(suspension)) {
    atLeast(value, name === 'failureRate' ? 0 : 1, `suspension.${name}`);
  }
  if (durable && secretKeys === undefined) {
    throw new TypeError(
      'webhooks.secretKeys is missing: with durable storage, signing secrets are stored, and need a key that encrypts them; make one with: openssl rand -base64 32',
    );
  }
  const sealer = durable && secretKeys !== undefined ? new SecretSealer(secretKeys) : undefined;
  return { ttl, url, retry, suspension, limits, rotationGraceMs, dropFailingAfterMs, sealer };
}

function atLeast(value: number, least: number, name: string): void {
  if (value >= least) return;
  throw new TypeError(`webhooks.${name} must be a number of at least ${least}, not ${value}`);
}
