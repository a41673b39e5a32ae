import type { EventTypeDescriptor } from '@mcp-events/protocol';
import type { AwaitedTypes } from '../catalog/awaitedTypes.ts';
import { type EventTypes, unknownType } from '../catalog/eventTypes.ts';
import type { Connection } from '../connection/connection.ts';
import { asError } from '../errors.ts';
import type { SubscribeOptions } from '../options.ts';
import type { Settings } from '../settings.ts';
import type { Source, Subscription } from '../subscription/subscription.ts';
import { chooseModes, type ClientDeliveryMode, isUnusable, usableModes } from './chooseMode.ts';
import { supervise } from './supervisor.ts';
import type { Callback } from './webhook/callback.ts';
import { endInTime } from './webhook/webhookLoop.ts';

/** What the subscriptions of one client share. */
export interface ClientContext {
  settings: Settings;
  connection: Connection;
  types: EventTypes;
  awaitedTypes: AwaitedTypes;
  onWarning: (message: string) => void;
}

/** What a run delivers to, and from where. */
export interface DeliveredSource extends Source {
  /** Where webhooks go, if this client takes any. */
  callback: Callback | undefined;
}

/** What delivers to one subscription: one run at a time, each from where a buffer stands. */
export class SubscriptionDelivery {
  readonly #context: ClientContext;
  readonly #options: SubscribeOptions;
  /** Undefined until the server has told what it offers. */
  #modes: readonly ClientDeliveryMode[] | undefined;
  /** Why it has not yet. */
  readonly #outage: Error | undefined;
  #isOutageTold = false;
  #run = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #source: DeliveredSource | undefined;
  #isRunning = false;

  /**
   * @param found the type, or why the server has to be waited for
   * @throws NoCompatibleDeliveryModeError, DeliveryModeNotAvailableError (CLIENT-03, CLIENT-04)
   */
  constructor(context: ClientContext, found: EventTypeDescriptor | Error, options: SubscribeOptions) {
    this.#context = context;
    this.#options = options;
    if (found instanceof Error) this.#outage = found;
    else this.#modes = this.#modesOf(found);
  }

  /** Resolves when the present run is over. */
  get running(): Promise<void> {
    return this.#running;
  }

  /** Begins a run, unless the subscription is over. */
  start(subscription: Subscription<unknown>, source: DeliveredSource): void {
    const { stopped, status } = subscription;
    if (stopped.aborted || status.state === 'terminated') return;
    this.#run = new AbortController();
    this.#source = source;
    const signal = AbortSignal.any([stopped, this.#run.signal]);
    this.#isRunning = true;
    this.#running = this.#deliver(subscription, source, signal).finally(() => {
      this.#isRunning = false;
    });
  }

  /** Ends the present run; another one may begin. */
  async stop(): Promise<void> {
    this.#run.abort();
    await this.#running;
  }

  /**
   * The subscription is over and nobody goes on with it: what its server may still post is refused for good (RECV-10). A run
   * that ended before may have failed to end it there, so that is tried once more (CLIENT-07).
   */
  async refuse(): Promise<void> {
    const wasOver = !this.#isRunning;
    await this.#running;
    if (this.#source?.callback === undefined) return;
    const { callback, record } = this.#source;
    const { name, arguments: args } = record;
    const { connection, settings, onWarning } = this.#context;
    if (wasOver && callback.mayBeLive) {
      await endInTime({ name, arguments: args, connection, clock: settings.clock, onWarning }, callback);
    }
    callback.refuse();
  }

  async #deliver(
    subscription: Subscription<unknown>,
    { buffer, callback, record }: DeliveredSource,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      this.#modes ??= await this.#awaitModes(subscription, signal);
    } catch (error) {
      if (!signal.aborted) subscription.terminate(asError(error));
      else if (subscription.status.state === 'cancelled' && callback?.mayBeLive === true) {
        this.#context.onWarning(
          `The server was not told that "${subscription.name}" is cancelled, so it may go on for a while: it cannot be reached.`,
        );
      }
      return;
    }
    const { name } = subscription;
    const { settings, connection, types, onWarning } = this.#context;
    const { limits, pollFloorMs, heartbeatIntervalMs, backoff, clock, random } = settings;
    const { maxAgeMs, maxEvents = limits.maxEvents, longPollMs, ordered } = this.#options;
    const error = await supervise({
      context: {
        name,
        arguments: record.arguments,
        maxAgeMs,
        maxEvents,
        longPollMs,
        ordered,
        buffer,
        connection,
        callback,
        onCallbackRenewed: (path) => subscription.keepCallback(path),
        clock,
        backoff,
        random,
        pollFloorMs,
        heartbeatIntervalMs,
        onError: (failure) => subscription.fail(failure),
        onDeliveryStatus: (status) => subscription.tellDeliveryStatus(status),
        onWarning,
        refreshTypes: () => void types.refresh().catch((failure) => subscription.fail(asError(failure))),
      },
      modes: this.#modes,
      signal,
      relist: () => this.#relist(name),
      onStatus: (status) => subscription.report(status),
    });
    if (error !== undefined) subscription.terminate(error);
  }

  /**
   * Waits until the server can be reached.
   *
   * @throws what makes the subscription impossible
   */
  async #awaitModes(subscription: Subscription<unknown>, signal: AbortSignal): Promise<ClientDeliveryMode[]> {
    const { name } = subscription;
    const onFailure = (error: Error): void => {
      subscription.fail(error);
      subscription.report({ state: 'waiting', error });
    };
    const onAttempt = (): void => subscription.report({ state: 'connecting' });
    if (this.#outage !== undefined && !this.#isOutageTold) onFailure(this.#outage);
    this.#isOutageTold = true;
    const types = await this.#context.awaitedTypes.list(this.#outage, { onAttempt, onFailure }, signal);
    const type = types.find((candidate) => candidate.name === name);
    if (type === undefined) throw unknownType(name);
    return this.#modesOf(type);
  }

  /** The modes now usable: none if the type is gone. */
  async #relist(name: string): Promise<readonly ClientDeliveryMode[]> {
    const types = await this.#context.types.refresh();
    const type = types.find((candidate) => candidate.name === name);
    try {
      return type === undefined ? [] : this.#modesOf(type);
    } catch (failure) {
      if (isUnusable(failure)) return [];
      throw failure;
    }
  }

  #modesOf(type: EventTypeDescriptor): ClientDeliveryMode[] {
    return chooseModes(type, usableModes(this.#context.settings.webhook !== undefined), this.#options.delivery);
  }
}
