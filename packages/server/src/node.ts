import type { AuthInfo, McpHttpHandler } from '@modelcontextprotocol/server';
import { anything, checkMembers, func, having } from '@mcp-events/protocol/options';
import { nodeHandler } from '@mcp-events/protocol/node-http';
import type { NodeHandlerOptions, NodeRequest, NodeResponse } from '@mcp-events/protocol/node-http';
import type { MaybePromise } from './maybePromise.ts';

export { nodeHandler } from '@mcp-events/protocol/node-http';
export type { NodeHandlerOptions } from '@mcp-events/protocol/node-http';

/** Options of {@link mcpNodeHandler}. */
export interface McpNodeHandlerOptions extends NodeHandlerOptions {
  /**
   * Says who asks, from the headers: before a byte of the body is read, so that whoever is refused costs no memory. The
   * body of the request cannot be read here. Answers what the SDK calls authentication, `undefined` for nobody in
   * particular, or the response that refuses. Default: what middleware left as `auth` on Node.js' request.
   */
  readonly authenticate?: (request: Request) => MaybePromise<AuthInfo | Response | undefined>;
}

/** What middleware may have left on a request of Node.js. */
interface WithMiddleware extends NodeRequest {
  /** The parsed body, of a body parser in front. */
  readonly body?: unknown;
  readonly auth?: AuthInfo;
}

/**
 * Serves an MCP handler by `node:http`, Express or Fastify. Bodies are read from the connection as far as they are wanted,
 * and streams are written to it directly, no faster than the client reads.
 *
 * @throws TypeError for what is no handler, and for an option that does not exist or cannot be used
 *
 * @example
 * ```ts
 * createServer(mcpNodeHandler(events.http(createMcpHandler(factory)))).listen(3000);
 * ```
 */
export function mcpNodeHandler(
  handler: Pick<McpHttpHandler, 'fetch'>,
  given: McpNodeHandlerOptions = {},
): (incoming: NodeRequest, outgoing: NodeResponse) => void {
  having(['fetch'], 'what events.http(createMcpHandler(factory)) returns')(
    handler,
    'the handler given to mcpNodeHandler',
  );
  checkMembers<Required<McpNodeHandlerOptions>>(
    given,
    // The others are read by `nodeHandler`.
    { authenticate: func, onError: func, timers: anything },
    'the options of mcpNodeHandler',
  );
  const { authenticate, ...options } = given;
  return nodeHandler<WithMiddleware, NodeResponse>(async (request, { incoming }) => {
    const authInfo = authenticate === undefined ? incoming.auth : await authenticate(request);
    if (authInfo instanceof Response) return authInfo;
    return handler.fetch(request, {
      ...(authInfo === undefined ? {} : { authInfo }),
      ...(incoming.body === undefined ? {} : { parsedBody: incoming.body }),
    });
  }, options);
}
