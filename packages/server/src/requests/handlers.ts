import type { McpServer, ServerContext } from '@modelcontextprotocol/server';
import { ProtocolError } from '@modelcontextprotocol/server';
import {
  Methods,
  SUBSCRIPTION_ID_META_KEY,
  internalError,
  isEventsError,
  listParamsSchema,
} from '@mcp-events/protocol';
import type { DeliveryMode, Dialect, EventTypeDescriptor } from '@mcp-events/protocol';
import * as z from 'zod';
import type { EventType } from '../catalog/eventType.ts';
import type { Caller } from '../context.ts';
import type { Core } from '../core.ts';
import { rpcErrorOf } from '../rpcErrorOf.ts';
import { NotifyChannel } from '../delivery/push/notifyChannel.ts';
import { SseChannel } from '../delivery/push/sseChannel.ts';
import { HEADER_MISMATCH_CODE, nameHeaderFault } from '../transport/nameHeader.ts';
import type { RequestSlot, RequestSlots } from '../transport/slots.ts';
import { assertStreamRequestId } from './bounds.ts';
import { callerOf } from './caller.ts';
import type { CallerRules } from './caller.ts';
import { handlePoll } from './poll.ts';
import type { OpenedStream } from './stream.ts';
import { openStream } from './stream.ts';
import { handleSubscribe } from './subscribe.ts';
import { parseParams } from './target.ts';
import { handleUnsubscribe } from './unsubscribe.ts';

export interface HandlerOptions {
  readonly core: Core;
  readonly callerRules: CallerRules;
  readonly slots: RequestSlots;
}

type Handler = (caller: Caller, params: unknown, context: ServerContext) => unknown;

/** Parameters are read by the handlers, whose errors name what is wrong; the SDK only has to pass them on. */
const anyParams = z.unknown();

/** What the SDK calls for one method. */
export type RequestHandler = (params: unknown, context: ServerContext) => Promise<Record<string, unknown>>;

/** The methods of this extension. Made once: over HTTP the SDK has a server object per request. */
export function createHandlers({ core, callerRules, slots }: HandlerOptions): ReadonlyMap<string, RequestHandler> {
  const handlers: Readonly<Record<string, Handler>> = {
    [Methods.list]: async (caller, params) => {
      const { cursor } = parseParams(listParamsSchema, params);
      const page = await core.catalog.list(cursor, (type) => describeFor(core, caller, type));
      return { resultType: 'complete', ...page };
    },
    [Methods.poll]: (caller, params, context) => handlePoll(core, caller, params, context.mcpReq.signal),
    [Methods.stream]: (caller, params, context) => handleStream(core, slots, caller, params, context),
    [Methods.subscribe]: (caller, params) => handleSubscribe(core, caller, params),
    [Methods.unsubscribe]: (caller, params) => handleUnsubscribe(core, caller, params),
  };
  return new Map(
    Object.entries(handlers).map(([method, handler]) => [method, guarded(method, handler, core, callerRules, slots)]),
  );
}

/** Registers them on one server object. Throws when it handles one of them already. */
export function registerHandlers(mcp: McpServer, handlers: ReadonlyMap<string, RequestHandler>): void {
  for (const method of handlers.keys()) mcp.server.assertCanSetRequestHandler(method);
  for (const [method, handler] of handlers) mcp.server.setRequestHandler(method, { params: anyParams }, handler);
}

function guarded(
  method: string,
  handler: Handler,
  core: Core,
  rules: CallerRules,
  slots: RequestSlots,
): RequestHandler {
  return async (params, context) => {
    assertNameHeader(params, context, slots);
    let dialect: Dialect = rules.dialect === 'sketch' ? 'sketch' : 'final';
    try {
      const caller = callerOf(context, rules);
      dialect = caller.dialect;
      return (await handler(caller, params, context)) as Record<string, unknown>;
    } catch (error) {
      throw toProtocolError(error, dialect, (unexpected) => core.report(unexpected, method));
    }
  };
}

/** Refuses a request whose `Mcp-Name` header contradicts it, over HTTP with status 400 (CAP-13). */
function assertNameHeader(params: unknown, { http, mcpReq }: ServerContext, slots: RequestSlots): void {
  // Older sessions have no such header, and no meaning for it.
  if (http?.req === undefined || mcpReq.envelope === undefined) return;
  const fault = nameHeaderFault(http.req.headers, params);
  if (fault === undefined) return;
  const slot = slots.get(http.req);
  if (slot !== undefined) slot.status = 400;
  throw new ProtocolError(HEADER_MISMATCH_CODE, `Bad Request: ${fault}`);
}

/** What the client may know of an error. Anything but an {@link EventsError} stays here (ERR-01 to ERR-06). */
function toProtocolError(error: unknown, dialect: Dialect, report: (error: unknown) => void): ProtocolError {
  if (!isEventsError(error)) report(error);
  const known = isEventsError(error) ? error : internalError();
  const { code, message, data } = rpcErrorOf(known, dialect);
  return new ProtocolError(code, message, data);
}

/** What the list shows of a type: only modes the caller can use, so no webhook without a principal (AUTH-04). */
async function describeFor(
  core: Core,
  caller: Caller,
  { name, compiled: { definition, descriptor } }: EventType,
): Promise<EventTypeDescriptor | undefined> {
  const isUsable = (mode: DeliveryMode): boolean => mode !== 'webhook' || caller.principal !== undefined;
  const delivery = descriptor.delivery.filter(isUsable);
  if (delivery.length === 0 || !(await core.lifecycle.isVisible(name, definition, caller))) return undefined;
  return { ...descriptor, delivery };
}

async function handleStream(
  core: Core,
  slots: RequestSlots,
  caller: Caller,
  params: unknown,
  context: ServerContext,
): Promise<Record<string, unknown>> {
  const { id, signal } = context.mcpReq;
  const result = { resultType: 'complete', _meta: { [SUBSCRIPTION_ID_META_KEY]: id } };
  assertStreamRequestId(id);
  const stream = await openStream(core, caller, params, signal);
  const slot = caller.request === undefined ? undefined : slots.get(caller.request);
  if (slot?.takesStream !== true) await deliverByNotification(core, stream, context, slot);
  else {
    const channel = new SseChannel({
      subscriptionId: id,
      maxBufferedBytes: core.limits.streamBufferBytes,
      flusher: core.flusher,
      listener: stream.session,
    });
    stream.start(channel);
    slot.offer(channel);
  }
  return result;
}

/** Keeps the request open while notifications go out through the SDK: stdio, or HTTP that was not wrapped. */
async function deliverByNotification(
  core: Core,
  stream: OpenedStream,
  context: ServerContext,
  slot: RequestSlot | undefined,
): Promise<void> {
  const { id, signal, notify } = context.mcpReq;
  const channel = new NotifyChannel({
    subscriptionId: id,
    maxBufferedBytes: core.limits.streamBufferBytes,
    notify: async (message) => {
      await notify(message);
      await slot?.paced?.taken();
    },
    listener: stream.session,
  });
  const abort = (): void => channel.abandon();
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  try {
    stream.start(channel);
    await channel.finished;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
