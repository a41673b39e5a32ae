import type { McpHandlerRequestOptions, McpHttpHandler } from '@modelcontextprotocol/server';
import { Methods } from '@mcp-events/protocol';
import { listenOverHttp } from './listenOverHttp.ts';
import type { HttpListenOptions } from './listenOverHttp.ts';
import { LISTEN_METHOD } from './listChanged.ts';
import type { StreamSlot, StreamSlots } from './slots.ts';

export interface HttpOptions extends HttpListenOptions {
  readonly slots: StreamSlots;
  /** Ends open streams with their final frame. */
  readonly finishStreams: () => Promise<void>;
}

/**
 * Wraps the SDK's HTTP handler without changing its shape. The SDK keeps authentication, validation and error answers;
 * only the body of a successful `events/stream` answer is written here, because the SDK's own queue for it has no
 * bound.
 */
export function wrapHttpHandler(inner: McpHttpHandler, options: HttpOptions): McpHttpHandler {
  const fetch = async (request: Request, requestOptions?: McpHandlerRequestOptions): Promise<Response> => {
    switch (request.headers.get('mcp-method')) {
      case Methods.stream:
        return streamOverHttp(inner, options.slots, request, requestOptions);
      case LISTEN_METHOD:
        return listenOverHttp(inner, options, request, requestOptions);
      default:
        return inner.fetch(request, requestOptions);
    }
  };
  const close = async (): Promise<void> => {
    await options.finishStreams();
    await inner.close();
  };
  return { ...inner, fetch, close };
}

async function streamOverHttp(
  inner: McpHttpHandler,
  slots: StreamSlots,
  request: Request,
  requestOptions: McpHandlerRequestOptions | undefined,
): Promise<Response> {
  const slot: StreamSlot = {};
  slots.set(request, slot);
  const answer = await inner.fetch(request, requestOptions);
  const { channel } = slot;
  if (channel === undefined) return answer;
  if (answer.status !== 200) {
    channel.abandon();
    return answer;
  }
  return channel.response(await resultOf(answer), request.signal);
}

/** The JSON-RPC result, also where the SDK was told to answer everything as server-sent events. */
async function resultOf(answer: Response): Promise<string> {
  const text = await answer.text();
  if (answer.headers.get('content-type')?.startsWith('text/event-stream') !== true) return text;
  const data = text.split('\n').findLast((line) => line.startsWith('data:'));
  return data?.slice('data:'.length).trim() ?? '{}';
}
