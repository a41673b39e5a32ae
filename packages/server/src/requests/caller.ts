import type { ServerContext } from '@modelcontextprotocol/server';
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  deriveSubscriptionId,
  dialectOfRequest,
} from '@mcp-events/protocol';
import type { Dialect } from '@mcp-events/protocol';
import type { Caller, CallerInfo } from '../context.ts';
import { answeredAtOnce } from '../maybePromise.ts';
import { boundedClientInfo } from './bounds.ts';

/** Far above any subject of a token, and kept with each subscription. */
const MAX_PRINCIPAL_LENGTH = 1_024;

export interface CallerRules {
  readonly principal: (caller: CallerInfo) => string | undefined;
  readonly dialect: Dialect | 'auto';
}

/** Reads from a request who is asking. Throws what the operator's `principal` function throws. */
export function callerOf(context: ServerContext, rules: CallerRules): Caller {
  // The SDK declares the authentication on its transport-neutral context type only.
  const http = context.http;
  const envelope = context.mcpReq.envelope as Readonly<Record<string, unknown>> | undefined;
  // Unchangeable: several of the author's functions see it, and so does what is decided by it (AUTH-13).
  const info: CallerInfo = Object.freeze({
    authInfo: http?.authInfo,
    request: http?.req,
    clientInfo: boundedClientInfo(envelope?.[CLIENT_INFO_META_KEY]),
  });
  const principal = answeredAtOnce(rules.principal(info)) as string | undefined;
  if (principal !== undefined && (typeof principal !== 'string' || principal === '')) {
    throw new TypeError('the principal option must return a non-empty string or undefined');
  }
  if (principal !== undefined && principal.length > MAX_PRINCIPAL_LENGTH) {
    throw new TypeError(
      `the principal option returned a text of ${principal.length} characters; at most ${MAX_PRINCIPAL_LENGTH} are kept`,
    );
  }
  const dialect = rules.dialect === 'auto' ? dialectOfRequest(envelope?.[CLIENT_CAPABILITIES_META_KEY]) : rules.dialect;
  const isTokens = rules.principal === defaultPrincipal && principal !== undefined && subjectOf(info) === undefined;
  return Object.freeze({ ...info, principal, isTokens, dialect });
}

/**
 * The subject that the server's authentication put into `extra.sub`. Callers that were authenticated without one are
 * told apart by their token, by its hash: sharing one principal would show one caller what another may see.
 */
export function defaultPrincipal(caller: CallerInfo): string | undefined {
  const { authInfo } = caller;
  if (authInfo === undefined) return undefined;
  return subjectOf(caller) ?? `token:${deriveSubscriptionId({ namespace: 'token', name: authInfo.token })}`;
}

function subjectOf({ authInfo }: CallerInfo): string | undefined {
  const subject = authInfo?.extra?.['sub'];
  return typeof subject === 'string' && subject !== '' ? subject : undefined;
}
