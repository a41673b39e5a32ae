import type { Clock } from '../../../clock.ts';
import type { Consent } from '../../../storage/subscriptionStore.ts';

/** How long consent outlives the last subscription it was for (OP-29). One day. */
const KEPT_MS = 86_400_000;

/** Consents without a subscription that are remembered. */
const MAX_KEPT = 10_000;

interface KnownConsent {
  /** What it rests on. */
  readonly basis: Consent;
  subscriptions: number;
  /** By a clock that nobody sets. Meaningful without subscriptions. */
  untilMs: number;
}

/** Which endpoints want deliveries of which principal (VERIFY-06). Soft state. */
export class ConsentCache {
  readonly #clock: Clock;
  readonly #consents = new Map<string, KnownConsent>();
  /** Those without a subscription, the longest unused first. */
  readonly #unused = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(principal: string, url: string): boolean {
    return this.basisOf(principal, url) !== undefined;
  }

  /** What the consent rests on; `undefined` when there is none that is known. */
  basisOf(principal: string, url: string): Consent | undefined {
    const key = consentKey(principal, url);
    const consent = this.#consents.get(key);
    if (consent === undefined) return undefined;
    if (consent.subscriptions > 0 || consent.untilMs > this.#clock.monotonicMs()) return consent.basis;
    this.#forget(key);
    return undefined;
  }

  /** A verified subscription begins. */
  use(principal: string, url: string, basis: Consent = 'challenge'): void {
    const key = consentKey(principal, url);
    const consent = this.#consents.get(key);
    this.#unused.delete(key);
    if (consent === undefined) this.#consents.set(key, { basis, subscriptions: 1, untilMs: 0 });
    else consent.subscriptions++;
  }

  /** A verified subscription ends. */
  release(principal: string, url: string): void {
    const key = consentKey(principal, url);
    const consent = this.#consents.get(key);
    if (consent === undefined || --consent.subscriptions > 0) return;
    consent.untilMs = this.#clock.monotonicMs() + KEPT_MS;
    this.#unused.add(key);
    if (this.#unused.size > MAX_KEPT) this.#forget(this.#unused.values().next().value as string);
  }

  #forget(key: string): void {
    this.#unused.delete(key);
    this.#consents.delete(key);
  }
}

function consentKey(principal: string, url: string): string {
  return JSON.stringify([principal, url]);
}
