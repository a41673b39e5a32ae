import type { SubscribeResult } from '@mcp-events/protocol';
import { backoffMs } from '../../backoff.ts';
import { Age, monotonicMs, sleep, sleepThrough } from '../../clock.ts';
import { asError, EventsClientError } from '../../errors.ts';
import type { RegisteredCallback } from '../../receiver/registration.ts';
import { onAborted } from '../../untilAborted.ts';
import { type DeliveryContext, type DeliveryOutcome, HEALTHY_AFTER_MS } from '../deliveryLoop.ts';
import { Arrivals } from './arrivals.ts';
import type { Callback } from './callback.ts';
import { failure, isTransient } from './failure.ts';
import { refreshSchedule } from './refreshSchedule.ts';
import { subscribe } from './requests.ts';
import { SigningSecret } from './signingSecret.ts';

/** Keeps one subscription alive at the server while its events arrive at the receiver. */
export class WebhookRun {
  readonly #context: DeliveryContext;
  readonly #callback: Callback;
  readonly #arrivals: Arrivals;
  readonly #secret: SigningSecret;
  /** Aborts with the run, whatever ends it. */
  readonly #over = new AbortController();
  #outcome: DeliveryOutcome | undefined;
  /** By the clock that nobody sets. */
  #activeAtMs: number | undefined;
  /** How old the grant is, and how old it may become. */
  #grant: { age: Age; lengthMs: number } | undefined;
  /** Failures in a row: refreshes that failed, connections that were lost. */
  #attempt = 0;
  #warnedOfPast = false;

  constructor(context: DeliveryContext, callback: Callback) {
    this.#context = context;
    this.#callback = callback;
    this.#arrivals = new Arrivals(context, this.#end);
    this.#secret = new SigningSecret(callback.options, context.clock);
  }

  async run(): Promise<DeliveryOutcome> {
    const { signal, clock, onHealthy } = this.#context;
    const { options, path } = this.#callback;
    const { accept, repeated } = this.#arrivals;
    // CLIENT-10: the server may post before it has answered.
    const registered = options.receiver.register({ path, secret: this.#secret.value, accept, repeated });
    const forget = onAborted(signal, () => this.#end({ kind: 'stopped' }));
    try {
      for (;;) {
        const result = await this.#subscribe();
        if (result !== undefined) await this.#accepted(result, registered);
        if (this.#outcome !== undefined) return this.#outcome;
        this.#secret.rotateIfDue(registered);
      }
    } finally {
      forget();
      this.#arrivals.close();
      this.#secret.close();
      registered.close();
      if (this.#activeAtMs !== undefined && monotonicMs(clock) - this.#activeAtMs >= HEALTHY_AFTER_MS) onHealthy();
    }
  }

  // The first reason counts.
  readonly #end = (reason: DeliveryOutcome): void => {
    this.#outcome ??= reason;
    if (reason.kind === 'terminated') this.#callback.mayBeLive = false;
    this.#arrivals.close();
    this.#over.abort('the run is over');
  };

  /** One request; undefined if it failed and the next one is due, or the run is over. */
  async #subscribe(): Promise<SubscribeResult | undefined> {
    const { clock, random, backoff, onError } = this.#context;
    try {
      this.#callback.mayBeLive = true;
      this.#arrivals.refreshing();
      return await subscribe(this.#context, this.#callback, this.#secret.value, this.#over.signal);
    } catch (thrown) {
      this.#arrivals.notRefreshed();
      if (this.#over.signal.aborted) return undefined;
      const error = asError(thrown);
      const first = this.#activeAtMs === undefined;
      // Refused, so there is nothing to end.
      if (first && !isTransient(error)) this.#callback.mayBeLive = false;
      // CLIENT-09: after that the server has forgotten the subscription, and another mode may be better.
      const leftMs = this.#grant === undefined ? 0 : this.#grant.lengthMs - this.#grant.age.ms;
      if (first || leftMs <= 0 || !isTransient(error)) {
        this.#end(failure('failed', error, first));
        return undefined;
      }
      onError(error);
      await sleep(clock, Math.min(backoffMs(this.#attempt, backoff, random), leftMs), this.#over.signal);
      this.#attempt += 1;
      return undefined;
    }
  }

  /** Takes over what the server granted, and waits until the next refresh is due. */
  async #accepted(result: SubscribeResult, registered: RegisteredCallback): Promise<void> {
    const { clock, random, backoff, connection, onActive, onHealthy, onDeliveryStatus, onError } = this.#context;
    if (this.#over.signal.aborted) return;
    const { lost } = connection;
    registered.bind(result.id);
    this.#secret.accepted();
    this.#arrivals.subscribed(result);
    if (this.#activeAtMs !== undefined) onHealthy();
    this.#activeAtMs ??= monotonicMs(clock);
    onActive();
    if (result.deliveryStatus !== undefined) onDeliveryStatus(result.deliveryStatus);

    const { serverAheadMs } = connection;
    const facts = { serverAheadMs, askedMs: this.#callback.options.ttlMs };
    const nowMs = clock.now();
    const schedule = refreshSchedule(result.refreshBefore, nowMs, random, facts);
    this.#grant = { age: new Age(clock), lengthMs: schedule.lapsesAtMs - nowMs };
    if (schedule.isPast) this.#warnOfPast(result.refreshBefore);
    if (await this.#wait(schedule.waitMs, lost)) {
      this.#attempt = 0;
      // TTL-14: without expiry nothing else makes this client look again.
      if (result.refreshBefore === null) this.#context.refreshTypes();
    } else if (!this.#over.signal.aborted) {
      // A stdio server that was started again knows nothing of the subscription.
      onError(new EventsClientError('NOT_CONNECTED', 'The connection to the server was lost.'));
      await sleep(clock, backoffMs(this.#attempt, backoff, random), this.#over.signal);
      this.#attempt += 1;
    }
  }

  #warnOfPast(refreshBefore: string | null): void {
    if (this.#warnedOfPast) return;
    this.#warnedOfPast = true;
    this.#context.onWarning(
      `The server grants "${this.#context.name}" until ${refreshBefore}, which has passed by this clock: the clocks differ, so it is refreshed every few seconds.`,
    );
  }

  /** Resolves with whether the time passed; it does not if the connection was lost or the run is over before. */
  async #wait(delayMs: number, lost: AbortSignal | undefined): Promise<boolean> {
    // All subscriptions wait for the same connection: a listener each would be taken for a leak.
    const wake = AbortSignal.any(lost === undefined ? [this.#over.signal] : [this.#over.signal, lost]);
    await sleepThrough(this.#context.clock, delayMs, wake);
    return !wake.aborted;
  }
}
