import { EventsError, forbidden, isEventsError } from '@mcp-events/protocol';
import type { Clock } from '../clock.ts';
import type { Caller, EventContext } from '../context.ts';
import type { MaybePromise } from '../maybePromise.ts';
import { withTimeLimit } from '../timeLimit.ts';
import type { Arguments, SubscriptionDetails } from './subscription.ts';

type Concern = Pick<SubscriptionDetails, 'name' | 'context' | 'arguments'>;

/** What an author may have to say about the life of a subscription. */
export interface LifecycleFunctions {
  authorize?(context: EventContext, args: Arguments): MaybePromise<boolean>;
  discoverable?(caller: Caller): MaybePromise<boolean>;
  onSubscribe?(context: EventContext, args: Arguments): MaybePromise<void>;
  onUnsubscribe?(context: EventContext, args: Arguments): MaybePromise<void>;
}

/** Calls the author's functions around a subscription, within a time limit and without letting their errors out. */
export class Lifecycle {
  readonly #clock: Clock;
  readonly #timeLimitMs: number;
  readonly #report: (error: unknown, stage: string, name: string) => void;
  /** By subscription: a hook that is not finished, for as long as the next one waits for it. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(clock: Clock, timeLimitMs: number, report: (error: unknown, stage: string, name: string) => void) {
    this.#clock = clock;
    this.#timeLimitMs = timeLimitMs;
    this.#report = report;
  }

  /** Throws Forbidden unless the author allows this name with these arguments (AUTH-01, ERR-03). */
  async authorize(functions: LifecycleFunctions, concern: Concern): Promise<void> {
    if (functions.authorize === undefined) return;
    const allowed = await this.#call('authorize', concern, () =>
      functions.authorize?.(concern.context, ownArguments(concern)),
    );
    // Anything but a clear yes is a no.
    if (allowed !== true) throw forbidden();
  }

  /** Whether the list shows the type to this caller (LIST-13). Hidden where nobody can say. */
  async isVisible(name: string, functions: LifecycleFunctions, caller: Caller): Promise<boolean> {
    if (functions.discoverable === undefined) return true;
    try {
      return (await this.#call('discoverable', { name }, () => functions.discoverable?.(caller))) === true;
    } catch {
      return false;
    }
  }

  /**
   * Throws what refuses the subscription. An `onSubscribe` that succeeds after its time limit gets its counterpart then. Hooks
   * of one id do not overlap, so that what one subscription provisions is not what another takes back; but one that never ends
   * keeps nobody out for ever.
   */
  async begin(functions: LifecycleFunctions, concern: Concern): Promise<void> {
    if (functions.onSubscribe === undefined) return;
    const { subscriptionId } = concern.context;
    let started: Promise<void> | undefined;
    let refused = false;
    try {
      await this.#call('onSubscribe', concern, async () => {
        await this.#underWay.get(subscriptionId);
        if (refused) return;
        started = (async () => functions.onSubscribe?.(concern.context, ownArguments(concern)))();
        await started;
      });
    } catch (error) {
      refused = true;
      if (started !== undefined) this.#undoLater(functions, concern, started);
      throw error;
    }
  }

  #undoLater(functions: LifecycleFunctions, concern: Concern, started: Promise<void>): void {
    const undone = started.then(
      () => this.#end(functions, concern),
      // It has refused: there is nothing to take back.
      () => {},
    );
    this.#awaitedByNext(concern, undone);
  }

  /** Never throws: the subscription has ended whatever the author's function does. */
  end(functions: LifecycleFunctions, concern: Concern): void {
    if (functions.onUnsubscribe !== undefined) this.#awaitedByNext(concern, this.#end(functions, concern));
  }

  #awaitedByNext({ context: { subscriptionId } }: Concern, hook: Promise<void>): void {
    const inTime = withTimeLimit(this.#clock, this.#timeLimitMs, 'an earlier hook', hook)
      .catch(() => {})
      .then(() => {
        if (this.#underWay.get(subscriptionId) === inTime) this.#underWay.delete(subscriptionId);
      });
    this.#underWay.set(subscriptionId, inTime);
  }

  async #end(functions: LifecycleFunctions, concern: Concern): Promise<void> {
    if (functions.onUnsubscribe === undefined) return;
    const call = (): MaybePromise<void> => functions.onUnsubscribe?.(concern.context, ownArguments(concern));
    await this.#call('onUnsubscribe', concern, call).catch(() => {});
  }

  async #call<T>(stage: string, { name }: Pick<Concern, 'name'>, run: () => MaybePromise<T>): Promise<T> {
    try {
      const call = async (): Promise<T> => run();
      return await withTimeLimit(this.#clock, this.#timeLimitMs, `${stage} of ${name}`, call());
    } catch (error) {
      if (isEventsError(error)) throw error;
      this.#report(error, stage, name);
      // The cause is for whoever reports what could not be done without it, such as coming back after a restart.
      throw new EventsError('InternalError', `${name} is not available at the moment`, { cause: error });
    }
  }
}

/**
 * A copy for one call: an author who completes the arguments there changes neither what the subscription is known by, nor
 * what others of the author's functions see.
 */
function ownArguments({ arguments: args }: Pick<Concern, 'arguments'>): Arguments {
  return Object.getPrototypeOf(args) === Object.prototype ? { ...args } : args;
}
