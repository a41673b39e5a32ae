import { checkMembers, func, having } from '../options/checks.ts';
import { tell } from '../options/tell.ts';
import type { NodeRequest, NodeResponse, Timers } from './messages.ts';
import { RequestBody } from './requestBody.ts';
import { ResponseWriter } from './responseWriter.ts';

/** What a handler gets beside the request: Node.js' own objects, with what middleware left on them. */
export interface NodeContext<I extends NodeRequest, O extends NodeResponse> {
  incoming: I;
  outgoing: O;
}

/** A handler of the Fetch API. */
export type FetchHandler<I extends NodeRequest, O extends NodeResponse> = (
  request: Request,
  context: NodeContext<I, O>,
) => Response | Promise<Response>;

/** Options of {@link nodeHandler}. */
export interface NodeHandlerOptions {
  /** Told what the handler, or the stream of its response, failed with. For logs. Default: nothing. */
  onError?: (error: unknown) => void;
  /** Default: the runtime's. */
  timers?: Timers;
}

const nodeHandlerOptions = { onError: func, timers: having(['setTimeout', 'clearTimeout']) };

const runtimeTimers: Timers = {
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => clearTimeout(timer as number),
};

/**
 * Serves a handler of the Fetch API by `node:http`, Express, or whatever else hands out Node.js' requests and responses.
 * Bytes are streamed as they are, both ways:
 *
 * - A request's body is read from the connection only as far as the handler reads it, so its limits of size and time hold.
 *   A request that is answered without its body costs none of the memory that body would take.
 * - A response goes out as it is produced, and no faster than the client takes it. When the client goes away, the
 *   request's signal aborts and the response's body is cancelled.
 *
 * Mount it in front of whatever parses bodies. A handler that throws is answered 500.
 *
 * @throws TypeError for a handler that is no function, and for an option that does not exist or cannot be used
 */
export function nodeHandler<I extends NodeRequest, O extends NodeResponse>(
  handle: FetchHandler<I, O>,
  options: NodeHandlerOptions = {},
): (incoming: I, outgoing: O) => void {
  func(handle, 'the handler (of Requests of the Fetch API, such as receiver.handle)');
  checkMembers<Required<NodeHandlerOptions>>(options, nodeHandlerOptions, 'the options of nodeHandler');
  const { onError, timers = runtimeTimers } = options;
  // A failing log must not change an answer.
  const fail = (error: unknown): void => tell(() => onError?.(error));
  const answer = async (incoming: I, outgoing: O): Promise<void> => {
    const writer = new ResponseWriter(incoming, outgoing, timers);
    const body = new RequestBody(incoming);
    try {
      const request = requestOf(incoming, body, writer.closed);
      await writer.send(request === undefined ? unreadable() : await handle(request, { incoming, outgoing }));
    } catch (error) {
      fail(error);
      // In the middle of a response only its end tells that it is not whole.
      if (outgoing.headersSent) outgoing.destroy();
      else await writer.send(failed());
    }
    body.abandon();
  };
  return (incoming, outgoing) => {
    answer(incoming, outgoing).catch((error: unknown) => {
      fail(error);
      outgoing.destroy();
    });
  };
}

/** Undefined if it is none that the Fetch API knows. */
function requestOf(incoming: NodeRequest, requestBody: RequestBody, signal: AbortSignal): Request | undefined {
  const { method = 'GET', rawHeaders } = incoming;
  try {
    const headers = new Headers();
    let host = 'localhost';
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      const name = rawHeaders[at] as string;
      const value = rawHeaders[at + 1] as string;
      // Those of HTTP/2 that stand for its request line.
      if (name.startsWith(':')) {
        if (name === ':authority') host = value;
        continue;
      }
      headers.append(name, value);
      if (name.toLowerCase() === 'host') host = value;
    }
    const url = urlOf(incoming, host);
    if (method === 'GET' || method === 'HEAD') return new Request(url, { method, headers, signal });
    const body = requestBody.stream();
    // `duplex` is what a body that is a stream needs, and unknown to the declarations of browsers.
    return new Request(url, { method, headers, signal, body, duplex: 'half' } as RequestInit);
  } catch {
    return undefined;
  }
}

function urlOf(incoming: NodeRequest, host: string): URL {
  // Express takes the path of a mounted router away from `url`.
  const { originalUrl } = incoming as { originalUrl?: unknown };
  const target = typeof originalUrl === 'string' ? originalUrl : (incoming.url ?? '/');
  const { encrypted } = (incoming.socket ?? {}) as { encrypted?: unknown };
  const origin = new URL(`${encrypted === true ? 'https' : 'http'}://${host}`).origin;
  // Put together as text: `//elsewhere/` alone would be read as another host.
  return new URL(target.startsWith('/') ? `${origin}${target}` : target, origin);
}

const unreadable = (): Response => plain(400, 'The request cannot be read.');
const failed = (): Response => plain(500, 'The handler failed.');

function plain(status: number, words: string): Response {
  return new Response(`${words}\n`, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } });
}
