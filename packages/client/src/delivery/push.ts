import {
  activeParamsSchema,
  errorParamsSchema,
  eventParamsSchema,
  eventsErrorFromRpc,
  heartbeatParamsSchema,
  Methods,
  Notifications,
  terminatedParamsSchema,
} from '@mcp-events/protocol';
import { MAX_DELAY_MS } from '../clock.ts';
import { asError, EventsClientError } from '../errors.ts';
import { type DeliveryContext, type DeliveryOutcome, HEALTHY_AFTER_MS } from './deliveryLoop.ts';
import { watchLiveness } from './liveness.ts';

/** One `events/stream` request, from its opening to its end. Resuming is a new request with the last cursor (PUSH-19). */
export async function pushLoop(context: DeliveryContext): Promise<DeliveryOutcome> {
  const { buffer, connection, clock, signal } = context;
  const stream = new AbortController();
  const onAbort = (): void => end({ kind: 'stopped' });
  let outcome: DeliveryOutcome | undefined;
  let activeAtMs: number | undefined;

  // The first reason counts; what still arrives afterwards is not looked at.
  function end(reason: DeliveryOutcome): void {
    outcome ??= reason;
    stream.abort('stream ended by the client');
  }
  const liveness = watchLiveness(clock, context.heartbeatIntervalMs, () =>
    end({
      kind: 'failed',
      error: new EventsClientError(
        'STREAM_SILENT',
        `The stream of "${context.name}" was silent for more than two heartbeat intervals (${context.heartbeatIntervalMs} ms each).`,
      ),
    }),
  );
  const onNotification = (method: string, params: Record<string, unknown>): void => {
    if (outcome !== undefined) return;
    liveness.touch();
    if (method === Notifications.active) {
      activeAtMs ??= clock.now();
      context.onActive();
    }
    const reason = receive(method, params, context);
    if (reason !== undefined) end(reason);
  };

  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  try {
    const { name, arguments: args, maxAgeMs } = context;
    const params = { name, arguments: args, cursor: buffer.resumeCursor, ...(maxAgeMs !== undefined && { maxAgeMs }) };
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
    signal.removeEventListener('abort', onAbort);
    liveness.stop();
  }
  if (activeAtMs !== undefined && clock.now() - activeAtMs >= HEALTHY_AFTER_MS) context.onHealthy();
  return outcome;
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
      if (!event.success || event.data.name !== name) break;
      context.onHealthy();
      return buffer.pushed(event.data, 'push') === 'full' ? { kind: 'paused' } : undefined;
    }
    case Notifications.heartbeat: {
      const heartbeat = heartbeatParamsSchema.safeParse(params);
      if (!heartbeat.success) break;
      context.onHealthy();
      buffer.position(heartbeat.data.cursor);
      return undefined;
    }
    case Notifications.active: {
      const active = activeParamsSchema.safeParse(params);
      if (!active.success) break;
      const { truncated, cursor } = active.data;
      // CUR-14: a type without cursors has nothing that could be truncated.
      if (truncated && cursor !== null) buffer.gap({ reason: 'truncated', cursor });
      else buffer.position(cursor);
      return undefined;
    }
    case Notifications.error: {
      const failure = errorParamsSchema.safeParse(params);
      if (!failure.success) break;
      context.onError(eventsErrorFromRpc(failure.data.error));
      return undefined;
    }
    case Notifications.terminated: {
      const terminated = terminatedParamsSchema.safeParse(params);
      if (!terminated.success) break;
      return { kind: 'terminated', error: eventsErrorFromRpc(terminated.data.error) };
    }
  }
  context.onWarning(`Ignored a ${method} of "${name}" that is not what the protocol describes.`);
  return undefined;
}
