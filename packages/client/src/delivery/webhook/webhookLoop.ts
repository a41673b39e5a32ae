import { Methods, isEventsError } from '@mcp-events/protocol';
import { asError, isTakenOver } from '../../errors.ts';
import type { DeliveryContext, DeliveryOutcome } from '../deliveryLoop.ts';
import type { Callback } from './callback.ts';
import { failure } from './failure.ts';
import { type RequestContext, unsubscribe } from './requests.ts';
import { WebhookRun } from './webhookRun.ts';

/** Long enough for a server that is there; with one that is not, the subscription lapses by itself (TTL-07). */
const UNSUBSCRIBE_WAIT_MS = 3_000;

/** One webhook subscription, from its making to its end; the MCP connection may come and go meanwhile. */
export async function webhookLoop(context: DeliveryContext): Promise<DeliveryOutcome> {
  const { signal } = context;
  // The mode is chosen only with the option that makes one.
  const callback = context.callback as Callback;
  try {
    if (callback.mayBeLive) await endEarlier(context, callback);
  } catch (error) {
    return signal.aborted ? { kind: 'stopped' } : failure('failed', asError(error));
  }
  if (signal.aborted) return { kind: 'stopped' };
  const outcome = await new WebhookRun(context, callback).run();
  if (callback.mayBeLive) await endInTime(context, callback);
  return outcome;
}

/**
 * Ends what an earlier run left at the server. It would ignore the cursor (SUB-11), and with it everything that was
 * acknowledged to the server and lost here.
 */
async function endEarlier(context: DeliveryContext, callback: Callback): Promise<void> {
  try {
    await unsubscribe(context, callback, context.signal);
  } catch (error) {
    if (!isEventsError(error)) throw error;
    context.onWarning(
      `${Methods.unsubscribe} of "${context.name}" was refused, so it gets a new URL: ${error.message}`,
    );
    callback.renew();
    context.onCallbackRenewed(callback.path);
  }
}

/** Ends the subscription, unless that takes too long: nobody should wait for a server that is gone. */
export async function endInTime(context: RequestContext, callback: Callback): Promise<void> {
  const { clock, name, onWarning } = context;
  const giveUp = new AbortController();
  const timer = clock.setTimeout(() => giveUp.abort('the server did not answer in time'), UNSUBSCRIBE_WAIT_MS);
  try {
    await unsubscribe(context, callback, giveUp.signal);
  } catch (error) {
    if (isTakenOver(error)) return;
    onWarning(
      `${Methods.unsubscribe} of "${name}" failed, so its server may go on for a while: ${asError(error).message}`,
    );
  } finally {
    clock.clearTimeout(timer);
  }
}
