import type { SigningSecrets } from './signing/signingSecrets.ts';
import type { Webhooks } from './webhooks.ts';
import type { WebhookSubscription } from './webhookSubscription.ts';

/** What a refresh renews of a subscription, and what holds on if the refresh fails. */
export interface Terms {
  readonly secrets: SigningSecrets;
  readonly refreshBeforeMs: number | null;
  readonly ordered: boolean;
}

/** A refresh that is being stored. */
export interface Renewal {
  /** What was answered last. */
  granted: Terms;
}

/** What a refresh asks for. */
export interface RenewalRequest {
  readonly secret: string;
  readonly ttlMs: number | null | undefined;
  readonly ordered: boolean;
}

/**
 * Renews a subscription and stores that, so that the answer is a promise that is kept (TTL-11). Rejects when the store
 * does: then the subscription goes back to what was answered last, here and, as soon as it can be written, in the store,
 * whatever that made of the failed write (SUB-19).
 */
export async function renew(
  webhooks: Webhooks,
  subscription: WebhookSubscription,
  { secret, ttlMs, ordered }: RenewalRequest,
): Promise<void> {
  // Stores write in order: of several refreshes at once, each finds what came of the ones before.
  const renewal: Renewal = { granted: subscription.renewal?.granted ?? termsOf(subscription) };
  subscription.renewal = renewal;
  subscription.ordered = ordered;
  webhooks.replaceSecret(subscription, secret);
  webhooks.grant(subscription, ttlMs);
  const renewed = termsOf(subscription);
  try {
    await webhooks.persistence?.save(subscription, true);
  } catch (error) {
    // A later one has taken its place, and decides.
    if (subscription.renewal === renewal) goBack(webhooks, subscription, renewal.granted);
    throw error;
  }
  if (subscription.renewal === renewal) subscription.renewal = undefined;
  else if (subscription.renewal !== undefined) subscription.renewal.granted = renewed;
}

function goBack(
  webhooks: Webhooks,
  subscription: WebhookSubscription,
  { secrets, refreshBeforeMs, ordered }: Terms,
): void {
  subscription.renewal = undefined;
  if (subscription.ended) return;
  subscription.secrets = secrets;
  subscription.ordered = ordered;
  webhooks.expireAt(subscription, refreshBeforeMs);
  webhooks.persistence?.touch(subscription);
}

function termsOf({ secrets, refreshBeforeMs, ordered }: WebhookSubscription): Terms {
  return { secrets, refreshBeforeMs, ordered };
}
