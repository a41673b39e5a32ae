import { readNumber, readNumbers, readTyped, refuseUnknown } from '@mcp-events/protocol/options';
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

/** What one server sends and keeps outstanding where its author says nothing. */
export const defaultWebhookLimits: WebhookLimits = {
  ...defaultSchedulingLimits,
  outstandingPerSubscription: 64,
  challengesPerHostPerMinute: 60,
  challengesPerAddressPerMinute: 60,
};

const DEFAULT_ROTATION_GRACE_MS = 300_000;
const DEFAULT_DROP_FAILING_AFTER_MS = 7 * 86_400_000;

const DAY_MS = 86_400_000;

/** A century: dates in the far future cannot be written. */
const LONGEST_MS = 36_500 * DAY_MS;

const count = { least: 1, most: 1_000_000, whole: true } as const;
/** A rate may be less than one per second. */
const rate = { least: 0.001, most: 1_000_000, unlimited: true } as const;

const limitBounds = {
  concurrency: count,
  hostConcurrency: count,
  principalConcurrency: count,
  hostPerSecond: rate,
  principalPerSecond: rate,
  outstandingPerSubscription: { least: 1, most: 100_000, whole: true },
  challengesPerHostPerMinute: count,
  challengesPerAddressPerMinute: count,
} as const;

const retryBounds = {
  attempts: { least: 1, most: 100, whole: true },
  windowMs: { least: 1, most: 30 * DAY_MS },
  attemptTimeoutMs: { least: 1, most: 600_000 },
  firstDelayMs: { least: 1, most: DAY_MS },
  maxDelayMs: { least: 1, most: DAY_MS },
} as const;

const suspensionBounds = {
  failureRate: { least: 0, most: 1 },
  windowMs: { least: 1_000, most: 30 * DAY_MS },
  minAttempts: { least: 1, most: 1_000_000_000, whole: true },
} as const;

const known: Readonly<Record<keyof WebhookOptions, true>> = {
  allowedOrigins: true,
  reachableOrigins: true,
  allowUrl: true,
  confirm: true,
  receiverDocuments: true,
  ttl: true,
  retry: true,
  suspension: true,
  dropFailingAfterMs: true,
  rotationGraceMs: true,
  limits: true,
  tellAbandoned: true,
  signingKey: true,
  unknownUnsubscribe: true,
  dialect: true,
  ordered: true,
  secretKeys: true,
  egress: true,
  random: true,
};

const knownEgress: Readonly<Record<keyof NonNullable<WebhookOptions['egress']>, true>> = {
  resolve: true,
  connect: true,
  tls: true,
  nat64Prefixes: true,
};

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
  if (typeof options !== 'object' || options === null) throw new TypeError('webhooks must be an object of options');
  refuseUnknown(options, Object.keys(known), 'webhooks');
  refuseUnknown(options.egress ?? {}, Object.keys(knownEgress), 'webhooks.egress');
  refuseUnknown(options.egress?.tls ?? {}, ['ca'], 'webhooks.egress.tls');
  const { rotationGraceMs = DEFAULT_ROTATION_GRACE_MS, dropFailingAfterMs = DEFAULT_DROP_FAILING_AFTER_MS } = options;
  const { secretKeys, allowedOrigins, reachableOrigins, allowUrl } = options;
  const ttl = resolveTtlRules(options.ttl, durable);
  const url = {
    isAllowedOrigin: readOrigins('allowedOrigins', allowedOrigins),
    isReachableOrigin: readOrigins('reachableOrigins', reachableOrigins),
    allowUrl,
  };
  readNumber(rotationGraceMs, { least: 0, most: 30 * DAY_MS }, 'webhooks.rotationGraceMs');
  readNumber(dropFailingAfterMs, { least: 1, most: LONGEST_MS }, 'webhooks.dropFailingAfterMs');
  const limits = readNumbers(options.limits, defaultWebhookLimits, limitBounds, 'webhooks.limits');
  const retry = readNumbers(options.retry, defaultRetryRules, retryBounds, 'webhooks.retry');
  const suspension = readNumbers(options.suspension, defaultSuspensionRules, suspensionBounds, 'webhooks.suspension');
  for (const name of ['receiverDocuments', 'tellAbandoned'] as const) {
    readTyped(options[name], 'boolean', `webhooks.${name}`);
  }
  for (const name of ['allowUrl', 'confirm', 'dialect', 'ordered', 'random'] as const) {
    readTyped(options[name], 'function', `webhooks.${name}`);
  }
  const { unknownUnsubscribe } = options;
  if (unknownUnsubscribe !== undefined && !['complete', 'notFound'].includes(unknownUnsubscribe as string)) {
    readTyped(unknownUnsubscribe, 'function', 'webhooks.unknownUnsubscribe (or "complete", or "notFound")');
  }
  readTyped(options.egress?.resolve, 'function', 'webhooks.egress.resolve');
  readTyped(options.egress?.connect, 'function', 'webhooks.egress.connect');
  if (durable && secretKeys === undefined) {
    throw new TypeError(
      'webhooks.secretKeys is missing: with durable storage, signing secrets are stored, and need a key that encrypts them; make one with: openssl rand -base64 32',
    );
  }
  const sealer = durable && secretKeys !== undefined ? new SecretSealer(secretKeys) : undefined;
  return { ttl, url, retry, suspension, limits, rotationGraceMs, dropFailingAfterMs, sealer };
}
