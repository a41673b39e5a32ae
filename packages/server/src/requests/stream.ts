import { internalError, streamParamsSchema } from '@mcp-events/protocol';
import type { Caller } from '../context.ts';
import type { Core } from '../core.ts';
import type { PushChannel } from '../delivery/push/channel.ts';
import { PushSession } from '../delivery/push/pushSession.ts';
import type { Sink } from '../delivery/sink.ts';
import type { Observer } from '../observability/observer.ts';
import { boundedCursor } from './bounds.ts';
import { createPump, openPump } from './openPump.ts';
import { admit, parseParams } from './target.ts';

/** A stream that is set up but not confirmed yet. */
export interface OpenedStream {
  readonly session: PushSession;
  /** Confirms the stream on its channel and starts delivery. Throws the error to answer when it has ended meanwhile. */
  start(channel: PushChannel): void;
}

/**
 * Sets up `events/stream`. Rejects with the error to answer when it is invalid: then no stream opens and nothing is
 * left behind (PUSH-01). `signal` ends it when the client goes away meanwhile.
 */
export async function openStream(
  core: Core,
  caller: Caller,
  params: unknown,
  signal: AbortSignal,
): Promise<OpenedStream> {
  const parsed = parseParams(streamParamsSchema, params);
  const request = { ...parsed, cursor: boundedCursor(parsed.cursor) };
  const { lifecycle, registry, sessions, clock } = core;
  const id = core.createStreamId();
  let begun = false;
  const { session, type, compiled } = await admit(core, caller, 'push', request, {
    idFor: () => id,
    admit: (target, details) => {
      const opened = new PushSession(details, caller.dialect, () => {
        registry.remove(opened);
        sessions.delete(opened);
        if (begun) lifecycle.end(target.compiled.definition, opened);
      });
      // Before onSubscribe, so that a refused subscription provisions nothing (HOOK-08).
      registry.add(opened, core.reservedPlaces(caller.principal, target.type.name, id));
      sessions.add(opened);
      return { ...target, session: opened };
    },
  });
  const abort = (): void => session.onClosed();
  signal.addEventListener('abort', abort, { once: true });
  // A signal that fired while permission was asked fires no more.
  if (signal.aborted) abort();
  try {
    assertLive(session);
    await lifecycle.begin(compiled.definition, session);
    // It may have ended while the hook ran: then nobody else calls the counterpart.
    if (session.ended) lifecycle.end(compiled.definition, session);
    begun = true;
    const pump = createPump(
      core,
      type,
      session,
      core.observer === undefined ? session : countedSink(core.observer, session),
    );
    const notBeforeMs = request.maxAgeMs === undefined ? undefined : clock.now() - request.maxAgeMs;
    const opening = await openPump(pump, request.cursor, notBeforeMs);
    assertLive(session);
    const start = (channel: PushChannel): void => {
      // Whoever waited for this did so for some microtasks, in which it may have ended: nobody would ever end its answer.
      assertLive(session);
      session.start(pump, channel, opening, (beat) => core.heartbeats.add(beat));
    };
    return { session, start };
  } catch (error) {
    session.onClosed();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** The stream, with what it takes counted. */
function countedSink(observer: Observer, session: PushSession): Sink {
  return {
    deliver: (event) => {
      const taken = session.deliver(event);
      if (taken) observer.delivered(session.name, 'push', 1);
      return taken;
    },
    lose: (cursor) => session.lose(cursor),
    fail: (error) => session.fail(error),
  };
}

/** Whoever ended the stream during its set-up decides how the request is answered. */
function assertLive(session: PushSession): void {
  if (session.ended) throw session.terminated ?? internalError('The request was cancelled');
}
