import { isEventsError } from '@mcp-events/protocol';
import { backoffMs } from '../backoff.ts';
import { sleep } from '../clock.ts';
import { politeWaitMs } from '../connection/unreachable.ts';
import { asError, isFinal, isUnreachable } from '../errors.ts';
import type { ClientDeliveryMode } from './chooseMode.ts';
import type { DeliveryContext, DeliveryLoop, DeliveryOutcome } from './deliveryLoop.ts';
import { Failover } from './failover.ts';
import { onAborted, untilAborted } from '../untilAborted.ts';
import { pollLoop } from './poll.ts';
import { pushLoop } from './push.ts';
import { TrialTimer } from './trialTimer.ts';
import { endInTime, webhookLoop } from './webhook/webhookLoop.ts';

const loops: Record<ClientDeliveryMode, DeliveryLoop> = { webhook: webhookLoop, push: pushLoop, poll: pollLoop };

/** Type listed, subscription refused: a server that answers so again and again means it (TERM-08). */
const MAX_RESUBSCRIBES = 3;

/** A callback may be mended any time, while arguments that are refused again and again stay as they are. */
const MAX_REFUSALS = 3;

/**
 * What a server may take to accept a stream while another mode could deliver (10 s): behind a proxy that buffers, a stream
 * is accepted and nothing of it ever arrives.
 */
const ACCEPT_MS = 10_000;

/** How delivery is doing. */
export interface SubscriptionStatus {
  /**
   * `connecting`: a request is under way. `active`: the server accepted it. `paused`: the application is slower than
   * the events, delivery was ended and resumes from its cursor. `waiting`: an attempt failed, the next one follows.
   * `stopped`: closed here, the position is kept. `cancelled`: closed here and forgotten. `terminated`: ended by the server.
   */
  state: 'connecting' | 'active' | 'paused' | 'waiting' | 'stopped' | 'cancelled' | 'terminated';
  /** The delivery mode in use; absent until the server has told what it offers. */
  delivery?: ClientDeliveryMode;
  /** Why it is `waiting` or `terminated`. */
  error?: Error;
}

export interface SupervisorOptions {
  context: Omit<DeliveryContext, 'signal' | 'acceptWithinMs' | 'onActive' | 'onProgress' | 'onHealthy'>;
  modes: readonly ClientDeliveryMode[];
  /** Ends the subscription's delivery. */
  signal: AbortSignal;
  /** Lists the types anew and tells the modes now usable: none if the type is gone. Throws if listing failed. */
  relist: () => Promise<readonly ClientDeliveryMode[]>;
  onStatus: (status: SubscriptionStatus) => void;
}

/**
 * Keeps one subscription delivered: runs the loop of the current mode, waits between attempts, changes the mode.
 *
 * @returns the error with which the server ended the subscription for good, or undefined when the signal aborted
 */
export async function supervise(options: SupervisorOptions): Promise<Error | undefined> {
  const { callback, clock } = options.context;
  const trials = new TrialTimer(clock);
  const failover = new Failover(options.modes);
  try {
    return await keepDelivered(options, failover, trials);
  } finally {
    trials.stop();
    // It could not be ended when another mode took over (CLIENT-07).
    if (failover.current !== 'webhook' && callback?.mayBeLive === true) await endInTime(options.context, callback);
  }
}

async function keepDelivered(
  options: SupervisorOptions,
  failover: Failover,
  trials: TrialTimer,
): Promise<Error | undefined> {
  const { context, signal, onStatus } = options;
  const { clock, buffer } = context;
  let attempt = 0;
  let resubscribes = 0;
  let refusals = 0;
  const awaitTrial = (): void => {
    const retryMs = failover.retryPreferredMs(buffer.resumeCursor === null);
    if (retryMs === undefined) trials.stop();
    else trials.start(retryMs);
  };
  const succeeded = (): void => {
    failover.succeeded();
    awaitTrial();
  };

  while (!signal.aborted) {
    if (trials.take()) failover.retryPreferred();
    awaitTrial();
    const delivery = failover.current;
    const silenceMs = context.heartbeatIntervalMs * 2;
    onStatus({ state: 'connecting', delivery });
    const outcome = await runUntilDue(trials, signal, (runSignal) =>
      loops[delivery]({
        ...context,
        signal: runSignal,
        acceptWithinMs: failover.hasOther ? Math.min(ACCEPT_MS, silenceMs) : silenceMs,
        onActive: () => onStatus({ state: 'active', delivery }),
        onProgress: succeeded,
        onHealthy: () => {
          attempt = 0;
          resubscribes = 0;
          refusals = 0;
          succeeded();
        },
      }),
    );
    if (signal.aborted) return undefined;
    // Better modes are due.
    if (outcome.kind === 'stopped') continue;
    if (outcome.kind === 'paused') {
      onStatus({ state: 'paused', delivery });
      await buffer.whenDrained(signal);
      continue;
    }

    const { error } = outcome;
    if (outcome.kind === 'unusable' && failover.skip()) {
      context.onError(error);
      continue;
    }
    const reaction = reactionTo(outcome);
    if (reaction === 'end') return error;
    if (isInvalidParams(error)) {
      refusals += 1;
      if (refusals > MAX_REFUSALS) return error;
    }
    if (reaction === 'resubscribe') {
      resubscribes += 1;
      if (resubscribes > MAX_RESUBSCRIBES) return error;
      // TERM-05: a cursor may belong to the old schema. Tried once more with it; then delivery goes on from now, told.
      if (resubscribes === 2 && isSchemaChange(error)) buffer.restart();
    }
    context.onError(error);
    onStatus({ state: 'waiting', delivery, error });
    failover.failed(isUnreachable(error));
    const politeMs = Math.max(context.connection.retryAfterMs, politeWaitMs(error));
    await sleep(clock, politeMs + backoffMs(attempt, context.backoff, context.random), signal);
    attempt += 1;
    if (reaction !== 'resubscribe' || signal.aborted) continue;
    try {
      const modes = await untilAborted(options.relist(), signal);
      if (modes.length === 0) return error;
      failover.replace(modes);
    } catch (listError) {
      // Tried with what was known before; the answer tells more.
      if (!signal.aborted) context.onError(asError(listError));
    }
  }
  return undefined;
}

/** Runs a loop, at the longest until better modes are due. */
async function runUntilDue(
  trials: TrialTimer,
  signal: AbortSignal,
  loop: (signal: AbortSignal) => Promise<DeliveryOutcome>,
): Promise<DeliveryOutcome> {
  const run = new AbortController();
  const stop = (): void => run.abort();
  const forget = onAborted(signal, stop);
  trials.onDue(stop);
  try {
    return await loop(run.signal);
  } catch (error) {
    return { kind: 'failed', error: asError(error) };
  } finally {
    forget();
    trials.onDue(() => {});
  }
}

/** What an error leads to, by its name alone: never by its message (ERR-07). */
function reactionTo(outcome: DeliveryOutcome & { error: Error }): 'end' | 'resubscribe' | 'retry' {
  const { error } = outcome;
  // Of the modes none is left, and what is refused may be the callback, which can be mended any time.
  if (outcome.kind === 'unusable' && !isForbidden(error)) return 'retry';
  if (isFinal(error)) return 'end';
  const name = isEventsError(error) ? error.errorName : 'Unknown';
  // TERM-08: the type may have moved, changed or lost a mode; the list tells.
  if (name === 'NotFound' || name === 'Unsupported') return 'resubscribe';
  // ERR-08: a failed request says nothing about the subscription, while `terminated` says it is over.
  return outcome.kind === 'terminated' ? 'end' : 'retry';
}

function isForbidden(error: Error): boolean {
  return isEventsError(error) && error.errorName === 'Forbidden';
}

function isInvalidParams(error: Error): boolean {
  return isEventsError(error) && error.errorName === 'InvalidParams';
}

function isSchemaChange(error: Error): boolean {
  return isEventsError(error) && error.errorName === 'Unsupported' && error.data?.reason === 'schema_changed';
}
