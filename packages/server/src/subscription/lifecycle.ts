import { forbidden, internalError, isEventsError } from '@mcp-events/protocol';
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

  constructor(clock: Clock, timeLimitMs: number, report: (error: unknown, stage: string, name: string) => void) {
    this.#clock = clock;
    this.#timeLimitMs = timeLimitMs;
    this.#report = report;
  }

  /** Throws Forbidden unless the author allows this name with these arguments (AUTH-01, ERR-03). */
  async authorize(functions: LifecycleFunctions, concern: Concern): Promise<void> {
    if (functions.authorize === undefined) return;
    const allowed = await this.#call('authorize', concern, () =>
      functions.authorize?.(concern.context, concern.arguments),
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

  /** Throws what refuses the subscription. */
  async begin(functions: LifecycleFunctions, concern: Concern): Promise<void> {
    if (functions.onSubscribe === undefined) return;
    await this.#call('onSubscribe', concern, () => functions.onSubscribe?.(concern.context, concern.arguments));
  }

  /** Never throws: the subscription has ended whatever the author's function does. */
  end(functions: LifecycleFunctions, concern: Concern): void {
    if (functions.onUnsubscribe === undefined) return;
    void this.#call('onUnsubscribe', concern, () =>
      functions.onUnsubscribe?.(concern.context, concern.arguments),
    ).catch(() => {});
  }

  async #call<T>(stage: string, { name }: Pick<Concern, 'name'>, run: () => MaybePromise<T>): Promise<T> {
    try {
      const call = async (): Promise<T> => run();
      return await withTimeLimit(this.#clock, this.#timeLimitMs, `${stage} of ${name}`, call());
    } catch (error) {
      if (isEventsError(error)) throw error;
      this.#report(error, stage, name);
      throw internalError(`${name} is not available at the moment`);
    }
  }
}
