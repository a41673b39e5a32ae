import {
  createMcpHandler,
  McpServer,
  OAuthError,
  OAuthErrorCode,
  requireBearerAuth,
} from '@modelcontextprotocol/server';
import type { AuthInfo } from '@modelcontextprotocol/server';
import { Events, forbidden } from '@mcp-events/server';
import type { EventHandle, EventsOptions } from '@mcp-events/server';
import * as z from 'zod';
import { listen } from './support/listen.ts';

const HOUR_SECONDS = 3_600;

/** What a subscriber may ask for, and what it gets. */
type CommentEvents = EventHandle<{ document: string }, { document: string }, { document: string; text: string }>;

/** A server of comments on documents. */
export interface CommentServer {
  /** Where MCP clients connect. */
  readonly url: string;
  readonly comments: CommentEvents;
  /** Takes access away: what the principal subscribed to ends, and nothing new is granted. */
  revoke(principal: string): Promise<void>;
  /** Gives access back. */
  grant(principal: string): void;
  close(): Promise<void>;
}

/** @param tokens bearer token -> the principal it stands for */
export async function startServer(
  tokens: ReadonlyMap<string, string>,
  webhooks: EventsOptions['webhooks'],
): Promise<CommentServer> {
  const revoked = new Set<string>();
  const events = new Events({ webhooks });
  const comments = events.define('comment.created', {
    description: 'Somebody wrote a comment on a document',
    input: z.object({ document: z.string() }),
    payload: z.object({ document: z.string(), text: z.string() }),
    filter: { document: 'document' },
    authorize: ({ principal = '' }) => !revoked.has(principal),
  });
  const handler = events.http(
    createMcpHandler(({ era }) => {
      const mcp = new McpServer({ name: 'comments', version: '0.1.0' });
      events.attach(mcp, { era });
      return mcp;
    }),
  );
  const authenticate = requireBearerAuth({ verifier: { verifyAccessToken: async (token) => verify(token, tokens) } });
  const listener = await listen(async (request) => {
    const authInfo = await authenticate(request);
    return authInfo instanceof Response ? authInfo : handler.fetch(request, { authInfo });
  });
  return {
    url: `${listener.origin}/mcp`,
    comments,
    revoke: async (principal) => {
      revoked.add(principal);
      await events.terminate({ principal }, forbidden('access_revoked'));
    },
    grant: (principal) => {
      revoked.delete(principal);
    },
    close: async () => {
      await events.close();
      await handler.close();
      await listener.close();
    },
  };
}

/** Whose a webhook is has to be known: `sub` becomes the principal. */
function verify(token: string, tokens: ReadonlyMap<string, string>): AuthInfo {
  const sub = tokens.get(token);
  if (sub === undefined) throw new OAuthError(OAuthErrorCode.InvalidToken, 'unknown token');
  return { token, clientId: sub, scopes: [], expiresAt: Date.now() / 1_000 + HOUR_SECONDS, extra: { sub } };
}
