import { DEFAULT_MAX_REQUEST_BODY_SIZE, isJsonContentType } from '@modelcontextprotocol/server';
import type { McpHandlerRequestOptions, McpHttpHandler } from '@modelcontextprotocol/server';
import { PROTOCOL_VERSION } from '@mcp-events/protocol';
import { listenOverHttp } from './listenOverHttp.ts';
import type { HttpListenOptions } from './listenOverHttp.ts';
import { LISTEN_METHOD, listenIdOf } from './listChanged.ts';
import { isWithinBounds, MAX_MESSAGE_DEPTH, MAX_MESSAGE_VALUES } from './messageBounds.ts';
import { PacedBody } from './pacedBody.ts';
import { readBody } from './requestBody.ts';
import { RequestSlot } from './slots.ts';
import type { RequestSlots } from './slots.ts';
import { isStreamRequest, streamOverHttp } from './streamOverHttp.ts';
import { RequestTurns } from './turns.ts';

export interface HttpOptions extends HttpListenOptions {
  readonly slots: RequestSlots;
  /** Whether requests of older sessions, where no `Mcp-Method` header counts, may be for this extension. */
  readonly legacySessions: boolean;
  /** Largest body of a request for this extension. */
  readonly maxRequestBytes: number;
  /** Ends open streams with their final frame. */
  readonly finishStreams: () => Promise<void>;
}

/** Methods of this extension begin with it. */
const OUR_METHODS = 'events/';

/**
 * Wraps the SDK's HTTP handler without changing its shape. The SDK keeps authentication, validation and error answers;
 * what is done here is what it cannot: bounds for the requests of this extension, and the bodies of streams.
 */
export function wrapHttpHandler(inner: McpHttpHandler, options: HttpOptions): McpHttpHandler {
  const turns = new RequestTurns(options.clock);
  const fetch = async (request: Request, requestOptions?: McpHandlerRequestOptions): Promise<Response> => {
    await turns.enter(requestOptions?.authInfo?.token ?? '');
    return isForUs(request, options)
      ? serve(inner, options, request, requestOptions)
      : inner.fetch(request, requestOptions);
  };
  const close = async (): Promise<void> => {
    await options.finishStreams();
    await inner.close();
  };
  return { ...inner, fetch, close };
}

/** Whether the request is, or may be, one this package has a part in. */
function isForUs(request: Request, { legacySessions }: HttpOptions): boolean {
  if (request.method.toUpperCase() !== 'POST' || !isJsonContentType(request.headers.get('content-type'))) return false;
  if (isSurelyForUs(request)) return true;
  // The SDK holds the header to the body where the revision has it. In older sessions it says nothing, whatever it says.
  const isOlder = (request.headers.get('mcp-protocol-version') ?? '') < PROTOCOL_VERSION;
  return legacySessions && (isOlder || !request.headers.has('mcp-method'));
}

function isSurelyForUs({ headers }: Request): boolean {
  const method = headers.get('mcp-method');
  return method !== null && (method.startsWith(OUR_METHODS) || method === LISTEN_METHOD);
}

async function serve(
  inner: McpHttpHandler,
  options: HttpOptions,
  request: Request,
  requestOptions: McpHandlerRequestOptions | undefined,
): Promise<Response> {
  let message = requestOptions?.parsedBody;
  if (message === undefined) {
    const isSurelyOurs = isSurelyForUs(request);
    const body = await readBody(request, isSurelyOurs ? options.maxRequestBytes : DEFAULT_MAX_REQUEST_BODY_SIZE);
    switch (body.kind) {
      case 'message':
        message = body.message;
        if (isOurMethod(message) && body.byteLength > options.maxRequestBytes) return tooLarge(options.maxRequestBytes);
        break;
      case 'unreadable':
        return refusal(400, -32_700, 'Parse error: the request body could not be read');
      case 'tooLarge':
        if (isSurelyOurs) {
          await request.body?.cancel().catch(() => {});
          return tooLarge(options.maxRequestBytes);
        }
        // Too large to be for this extension. How much is too much otherwise, the SDK was told.
        return inner.fetch(request, requestOptions);
      case 'invalid':
        return inner.fetch(request, requestOptions);
    }
  }
  if ((isSurelyForUs(request) || isOurMethod(message)) && !isWithinBounds(message)) return tooComplex(message);
  // With the body parsed the SDK passes this very request on, in older sessions too.
  return answer(inner, options, request, { ...requestOptions, parsedBody: message });
}

async function answer(
  inner: McpHttpHandler,
  options: HttpOptions,
  request: Request,
  requestOptions: McpHandlerRequestOptions & { readonly parsedBody: unknown },
): Promise<Response> {
  const { parsedBody: message } = requestOptions;
  const listenId = listenIdOf(message);
  if (listenId !== undefined) {
    return listenOverHttp(await inner.fetch(request, requestOptions), listenId, options, request.signal);
  }
  // Several messages in one, among them a stream, have one body, which the SDK writes.
  const paced = Array.isArray(message) && message.some(isStreamRequest) ? new PacedBody(options.clock) : undefined;
  const slot = new RequestSlot(isStreamRequest(message), paced);
  options.slots.set(request, slot);
  const response = slot.takesStream
    ? await streamOverHttp(slot, request.signal, () => inner.fetch(request, requestOptions))
    : await inner.fetch(request, requestOptions);
  if (paced !== undefined) return paced.through(response);
  if (slot.status === undefined) return response;
  return new Response(response.body, { status: slot.status, headers: response.headers });
}

function isOurMethod(message: unknown): boolean {
  const messages = Array.isArray(message) ? message : [message];
  return messages.some((each: { method?: unknown } | null) => {
    return typeof each?.method === 'string' && (each.method.startsWith(OUR_METHODS) || each.method === LISTEN_METHOD);
  });
}

function tooLarge(maxBytes: number): Response {
  return refusal(413, -32_000, `Request body too large: at most ${maxBytes} bytes`);
}

/** Wrong parameters like any others, told before anybody validates them. */
function tooComplex(message: unknown): Response {
  const bounds = `${MAX_MESSAGE_DEPTH} levels of nesting and ${MAX_MESSAGE_VALUES} values`;
  const { id } = (message ?? {}) as { id?: unknown };
  const echoed = typeof id === 'string' || typeof id === 'number' ? id : null;
  return refusal(200, -32_602, `params: expected at most ${bounds}`, echoed);
}

/** An error that is answered here. Before the message was read no id is known. */
function refusal(status: number, code: number, message: string, id: string | number | null = null): Response {
  return Response.json({ jsonrpc: '2.0', id, error: { code, message } }, { status });
}
