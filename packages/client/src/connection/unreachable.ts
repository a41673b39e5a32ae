import { isEventsError } from '@mcp-events/protocol';
import { EventsClientError, isEventsClientError, shortened } from '../errors.ts';

/** What the SDK's client and the runtime put on their errors. */
interface Details {
  name?: string;
  code?: unknown;
  /** Of an HTTP answer. */
  status?: unknown;
  statusText?: unknown;
  data?: unknown;
  text?: unknown;
  cause?: unknown;
  /** Where the runtime connected to, or tried to. */
  address?: string;
  hostname?: string;
  port?: number;
  socket?: { remoteAddress?: string; remotePort?: number };
  /** One for each address that was tried. */
  errors?: unknown[];
}

/** The SDK's errors about a connection that ended or was silent. Its other errors come of an answer, or have a cause. */
const UNANSWERED: readonly unknown[] = ['NOT_CONNECTED', 'REQUEST_TIMEOUT', 'CONNECTION_CLOSED', 'SEND_FAILED'];

/** Errors of the SDK that carry an answer, beside those with an HTTP status. */
const ANSWERS: readonly unknown[] = [
  'ProtocolError',
  'UnsupportedProtocolVersionError',
  'UnauthorizedError',
  'OAuthError',
  'InsufficientScopeError',
  'IssuerMismatchError',
  'InsecureTokenEndpointError',
  'AuthorizationServerMismatchError',
  // An answer that is JSON and not JSON-RPC: something else lives at that address.
  'ZodError',
];

/** How runtimes other than Node tell a failure of the network: without a cause. */
const OPAQUE = /^(failed to fetch|networkerror|load failed|network error|error sending request)/i;

/** A program to start that is not there, or is none. */
const NO_PROGRAM: readonly unknown[] = ['ENOENT', 'EACCES'];

/**
 * Whether an error of connecting or of a request says that no answer of the server was to be had. Whatever is not known
 * to be something else counts as that: the function that connects is the application's, and may throw anything.
 */
export function isOutage(error: unknown): boolean {
  if (isEventsError(error) || isEventsClientError(error)) return false;
  const { name, code, status, cause } = detailsOf(error);
  // Of the answers, only those of a server that cannot serve now, or of what stands in front of it.
  if (typeof status === 'number') return status >= 500 || status === 408 || status === 429;
  if (name === 'SdkError') {
    return UNANSWERED.includes(code) || (cause !== undefined && isOutage(cause));
  }
  if (ANSWERS.includes(name) || NO_PROGRAM.includes(code)) return false;
  if (error instanceof TypeError) return isNetworkFailure(error);
  return !(error instanceof ReferenceError || error instanceof SyntaxError || error instanceof RangeError);
}

/** `fetch` throws a TypeError for failures of the network and for mistakes, such as an unknown scheme or an invalid header. */
function isNetworkFailure({ message, cause }: TypeError): boolean {
  if (cause === undefined) return OPAQUE.test(message);
  return !(cause instanceof TypeError) && isText(detailsOf(cause).code);
}

/** An outage as the application is told of it; what was thrown is the cause. */
export function unreachable(error: unknown): EventsClientError {
  return new EventsClientError('SERVER_UNREACHABLE', `The server cannot be reached: ${reasonOf(error)}`, {
    cause: error,
  });
}

/**
 * An answer that is none of JSON-RPC, in words: what the SDK throws is HTML of a gateway, the dump of a schema or a bare
 * `SyntaxError`. Undefined for any other error.
 */
export function refusedOrMalformed(error: unknown, method: string): EventsClientError | undefined {
  const { name, code, status } = detailsOf(error);
  if (name === 'SdkHttpError' && typeof status === 'number') {
    const message = `${method} was refused with ${httpAnswerOf(error)}.${ADVICE[status] ?? ''}`;
    return new EventsClientError('REQUEST_REFUSED', message, { cause: error });
  }
  const isUnexpected = name === 'SdkError' && code === 'CLIENT_HTTP_UNEXPECTED_CONTENT';
  if (!isUnexpected && name !== 'ZodError' && !(error instanceof SyntaxError)) return undefined;
  const message = `The answer to ${method} is no JSON-RPC message: something else than an MCP server may live at this address.`;
  return new EventsClientError('MALFORMED_ANSWER', message, { cause: error });
}

const ADVICE: Record<number, string> = {
  401: ' Its credentials are missing, wrong or out of date: give the transport an authProvider, or new ones.',
  403: ' These credentials do not permit it.',
  404: ' There is no MCP endpoint at this address, or its session is over.',
};

/** Status, and the text if it is for people; pages of gateways are not. */
function httpAnswerOf(error: unknown): string {
  const { status, statusText, data } = detailsOf(error);
  const { text } = detailsOf(data);
  const said = typeof text === 'string' && !/^\s*</.test(text) ? text.trim() : '';
  const words = isText(statusText) && statusText !== '' ? ` ${shortened(statusText)}` : '';
  return `HTTP ${String(status)}${words}${said === '' ? '' : `: ${shortened(said)}`}`;
}

/** "fetch failed" says too little, and what the runtime knows of it is a cause or two further down. */
function reasonOf(error: unknown): string {
  const chain = [error];
  for (let next = detailsOf(error).cause; next !== undefined && chain.length < 10; next = detailsOf(next).cause) {
    chain.push(next);
  }
  const last = chain.at(-1);
  const { message } = chain.at(-2) instanceof Error ? (chain.at(-2) as Error) : asMessage(last);
  const { name, code, status } = detailsOf(last);
  if (name === 'SdkHttpError' && typeof status === 'number') return `it answered ${httpAnswerOf(last)}`;
  const facts = typeof status === 'number' ? `HTTP ${status}` : [code, ...placesOf(last)].filter(isText).join(' ');
  const told = facts === '' ? asMessage(last).message : facts;
  return shortened(message.includes(told) ? message : `${message} (${told})`);
}

function placesOf(error: unknown): string[] {
  const { address, hostname, port, socket, errors } = detailsOf(error);
  const host = address ?? hostname ?? socket?.remoteAddress;
  const at = port ?? socket?.remotePort;
  if (host === undefined) return (errors ?? []).flatMap(placesOf);
  return [at === undefined ? host : `${host.includes(':') ? `[${host}]` : host}:${at}`];
}

function asMessage(error: unknown): { message: string } {
  return error instanceof Error ? error : { message: String(error) };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function detailsOf(error: unknown): Details {
  return typeof error === 'object' && error !== null ? error : {};
}

/** What to wait at least after an answer that asks for less, where its `Retry-After` is not known (15 s). */
const RATE_LIMITED_MS = 15_000;

/** How long to leave a server alone that said it is asked too often, in milliseconds. */
export function politeWaitMs(error: Error): number {
  const { status } = detailsOf(error.cause);
  return status === 429 ? RATE_LIMITED_MS : 0;
}
