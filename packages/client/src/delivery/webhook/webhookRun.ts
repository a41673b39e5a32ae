import { ORDERED_META_KEY, type SubscribeResult } from '@mcp-events/protocol';
import { backoffMs } from '../../backoff.ts';
import { Age, sleep, sleepThrough } from '../../clock.ts';
import { asError, EventsClientError, shortened } from '../../errors.ts';
import type { RegisteredCallback } from '../../receiver/registration.ts';
import { onAborted } from '../../untilAborted.ts';
import { type DeliveryContext, type DeliveryOutcome, HEALTHY_AFTER_MS } from '../deliveryLoop.ts';
import { Arrivals } from './arrivals.ts';
import type { Callback } from './callback.ts';
import { failure, isTransient } from './failure.ts';
import { type RefreshSchedule, refreshSchedule } from './refreshSchedule.ts';
import { subscribe } from './requests.ts';
import { SigningSecret } from './signingSecret.ts';

/** How old a grant is, and how old it may become. */
interface Grant {
  age: Age;
  lengthMs: number;
}

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
  #grant: Grant | undefined;
  /** Failures in a row: refreshes that failed, connections that were lost. */
  #attempt = 0;
  #warnedOfPast = false;
  /** Aborts when a post is refused for its time after the last answer. */
  #refusal = new AbortController();
  #warnedOfRefusal = false;
  #toldOfOrder = false;

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
    const registered = options.receiver.register({
      path,
      secret: this.#secret.value,
      accept,
      repeated,
      refused: () => this.#refused(),
    });
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
      if (this.#activeAtMs !== undefined && clock.monotonicMs() - this.#activeAtMs >= HEALTHY_AFTER_MS) onHealthy();
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
    if (this.#isToBeMadeAnew(result)) {
      this.#end({ kind: 'paused' });
      return;
    }
    const { lost } = connection;
    registered.bind(result.id);
    this.#secret.accepted();
    this.#arrivals.subscribed(result);
    if (this.#activeAtMs !== undefined) onHealthy();
    this.#activeAtMs ??= clock.monotonicMs();
    onActive();
    this.#tellOfOrder(result);
    if (result.deliveryStatus !== undefined) onDeliveryStatus(result.deliveryStatus);

    const { serverAheadMs } = connection;
    const facts = { serverAheadMs, askedMs: this.#callback.options.ttlMs };
    const nowMs = clock.now();
    const schedule = refreshSchedule(result.refreshBefore, nowMs, random, facts);
    const grant = { age: new Age(clock), lengthMs: schedule.lapsesAtMs - nowMs };
    this.#grant = grant;
    if (schedule.isPast) this.#warnOfPast(result.refreshBefore);
    this.#refusal = new AbortController();
    if (await this.#wait(schedule, grant, lost)) {
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

  /**
   * Whether the server had the subscription from before, although it was ended there: a restored backup has it again. It did
   * not look at the position then (SUB-11), so the subscription has to be ended and made anew (CLIENT-29). Once: some servers
   * tell a status in any case.
   */
  #isToBeMadeAnew({ deliveryStatus }: SubscribeResult): boolean {
    const isFirst = this.#activeAtMs === undefined && this.#context.buffer.resumeCursor !== null;
    if (!isFirst) return false;
    const { wasLive } = this.#callback;
    // Remembered over the run that this one ends.
    this.#callback.wasLive = deliveryStatus !== undefined;
    return deliveryStatus !== undefined && !wasLive;
  }

  /** ORDER-06: a server that does not know the key says nothing. */
  #tellOfOrder({ _meta }: SubscribeResult): void {
    const { ordered, name, onError } = this.#context;
    if (ordered !== true || this.#toldOfOrder || _meta?.[ORDERED_META_KEY] === true) return;
    this.#toldOfOrder = true;
    const message = `The server does not send the webhooks of "${name}" one at a time, as "ordered" asked: they are put in order here, as far as it tells their places.`;
    onError(new EventsClientError('ORDER_NOT_GRANTED', message));
  }

  #warnOfPast(refreshBefore: string | null): void {
    if (this.#warnedOfPast) return;
    this.#warnedOfPast = true;
    this.#context.onWarning(
      `The server grants "${this.#context.name}" until ${shortened(String(refreshBefore))}, which has passed by this clock: the clocks differ, so it is refreshed every few seconds.`,
    );
  }

  /** RECV-18: what the server suspended, or gave up, for that is learnt from a refresh only. */
  #refused(): void {
    this.#refusal.abort('a post was refused for its time');
    if (this.#warnedOfRefusal) return;
    this.#warnedOfRefusal = true;
    this.#context.onWarning(
      `Webhooks of "${this.#context.name}" are refused, because their time is too far from the time here: one of the clocks is wrong. Until it is right, what the server gives up is told as gaps.`,
    );
  }

  /** Resolves with whether the next refresh is due; it is not if the connection was lost or the run is over before. */
  async #wait(schedule: RefreshSchedule, grant: Grant, lost: AbortSignal | undefined): Promise<boolean> {
    const { clock } = this.#context;
    const { waitMs, waitWhenRefusingMs } = schedule;
    // All subscriptions wait for the same connection: a listener each would be taken for a leak.
    const wake = AbortSignal.any(lost === undefined ? [this.#over.signal] : [this.#over.signal, lost]);
    await sleepThrough(clock, waitWhenRefusingMs, wake);
    // The computer may have slept through both.
    await sleepThrough(clock, waitMs - grant.age.ms, AbortSignal.any([wake, this.#refusal.signal]));
    return !wake.aborted;
  }
}
