import {
  activeParamsSchema,
  errorParamsSchema,
  eventParamsSchema,
  heartbeatParamsSchema,
  Methods,
  Notifications,
  terminatedParamsSchema,
} from '@mcp-events/protocol';
import { MAX_DELAY_MS } from '../clock.ts';
import { asError, EventsClientError, serverError, shortened } from '../errors.ts';
import { onAborted } from '../untilAborted.ts';
import { type DeliveryContext, type DeliveryOutcome, HEALTHY_AFTER_MS } from './deliveryLoop.ts';
import { type SilenceLimits, watchLiveness } from './liveness.ts';
import { withoutNulls } from './withoutNulls.ts';

/** One `events/stream` request, from its opening to its end. Resuming is a new request with the last cursor (PUSH-19). */
export async function pushLoop(context: DeliveryContext): Promise<DeliveryOutcome> {
  const { buffer, connection, clock, signal } = context;
  const stream = new AbortController();
  const from = buffer.resumeCursor;
  let outcome: DeliveryOutcome | undefined;
  let hasBegun = false;
  let healthyTimer: unknown;

  // The first reason counts; what still arrives afterwards is not looked at.
  function end(reason: DeliveryOutcome): void {
    outcome ??= reason;
    stream.abort('stream ended by the client');
  }
  const limits = { firstMs: context.acceptWithinMs, limitMs: context.heartbeatIntervalMs * 2 };
  const liveness = watchLiveness(clock, limits, () => end(silent(context, limits, hasBegun)));
  const onNotification = (method: string, params: Record<string, unknown>): void => {
    if (outcome !== undefined) return;
    liveness.touch();
    // What tells of a failure or an end says nothing about where delivery stands.
    const isFirst = !hasBegun && method !== Notifications.error && method !== Notifications.terminated;
    if (isFirst) {
      hasBegun = true;
      // An event's own position lies behind it.
      buffer.began(from, method === Notifications.event ? null : cursorOf(params));
      healthyTimer = clock.setTimeout(context.onHealthy, HEALTHY_AFTER_MS);
    }
    const reason = receive(method, params, context);
    if (isFirst) context.onActive();
    if (reason !== undefined) end(reason);
  };

  const forget = onAborted(signal, () => end({ kind: 'stopped' }));
  try {
    const { name, arguments: args, maxAgeMs } = context;
    const params = { name, arguments: args, cursor: from, ...(maxAgeMs !== undefined && { maxAgeMs }) };
    // PUSH-18: no request timeout; the liveness watch is what notices a dead stream.
    await connection.request(Methods.stream, params, {
      signal: stream.signal,
      timeoutMs: MAX_DELAY_MS,
      onNotification,
    });
    outcome ??= { kind: 'failed', error: new EventsClientError('STREAM_DROPPED', 'The server ended the stream.') };
  } catch (error) {
    outcome ??= { kind: 'failed', error: asError(error) };
  } finally {
    forget();
    liveness.stop();
    if (healthyTimer !== undefined) clock.clearTimeout(healthyTimer);
  }
  return outcome;
}

/** Silence before the first message says that streams do not get through here; a later one, that nobody is there. */
function silent(
  { name, heartbeatIntervalMs }: DeliveryContext,
  { firstMs }: SilenceLimits,
  hasBegun: boolean,
): DeliveryOutcome {
  const since = hasBegun
    ? `was silent for more than two heartbeat intervals (${heartbeatIntervalMs} ms each)`
    : `brought nothing within ${firstMs} ms of its request; a proxy on the way may hold streams back`;
  const error = new EventsClientError('STREAM_SILENT', `The stream of "${name}" ${since}.`);
  return { kind: hasBegun ? 'failed' : 'unusable', error };
}

function cursorOf({ cursor }: Record<string, unknown>): string | null {
  return typeof cursor === 'string' ? cursor : null;
}

/** Takes one message of the stream; an outcome ends it. A malformed message is reported and skipped. */
function receive(
  method: string,
  params: Record<string, unknown>,
  context: DeliveryContext,
): DeliveryOutcome | undefined {
  const { buffer, name } = context;
  switch (method) {
    case Notifications.event: {
      const event = eventParamsSchema.safeParse(params);
      if (!event.success) {
        // Passed over, which has to be told; and by its own position, or it would come again with each stream.
        buffer.gap({ reason: 'unreadable', cursor: cursorOf(params) });
        break;
      }
      if (event.data.name !== name) break;
      const taken = buffer.pushed(event.data, 'push');
      // A server that ends each stream after the same event brings nothing: it is not to be asked every second.
      if (taken !== 'repeated') context.onHealthy();
      return taken === 'full' ? { kind: 'paused' } : undefined;
    }
    case Notifications.heartbeat: {
      const heartbeat = heartbeatParamsSchema.safeParse(withoutNulls(params, ['cursor']));
      if (!heartbeat.success) break;
      context.onProgress();
      buffer.position(heartbeat.data.cursor);
      return undefined;
    }
    case Notifications.active: {
      const active = activeParamsSchema.safeParse(withoutNulls(params, ['cursor']));
      if (!active.success) {
        // It may have told that events are missing.
        buffer.gap({ reason: 'unreadable', cursor: cursorOf(params) });
        break;
      }
      const { truncated, cursor } = active.data;
      // CUR-14: a type without cursors has nothing that could be truncated.
      if (truncated && cursor !== null) buffer.gap({ reason: 'truncated', cursor });
      else buffer.position(cursor);
      return undefined;
    }
    case Notifications.error: {
      const failure = errorParamsSchema.safeParse(withoutNulls(params, []));
      if (!failure.success) break;
      context.onError(serverError(failure.data.error));
      return undefined;
    }
    case Notifications.terminated: {
      const terminated = terminatedParamsSchema.safeParse(withoutNulls(params, []));
      if (!terminated.success) break;
      return { kind: 'terminated', error: serverError(terminated.data.error) };
    }
  }
  context.onWarning(`Ignored a ${shortened(method)} of "${name}" that is not what the protocol describes.`);
  return undefined;
}
