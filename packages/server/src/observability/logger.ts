import { parseUrl } from '@mcp-events/protocol';

/** Where records go. A `pino` logger fits as it is. */
export interface Logger {
  /** What happens to single events, attempts, streams and polls. */
  debug(fields: object, message: string): void;
  /** What happens to webhook subscriptions and the server. */
  info(fields: object, message: string): void;
  /** What an operator may want to look at: suspensions, dead letters, refused events, everything `onWarning` is told. */
  warn(fields: object, message: string): void;
  /** Failures of author functions and of the storage: everything `onError` is told. */
  error(fields: object, message: string): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a record of a failure says: nothing an error object may carry along besides, such as a request with its headers. */
export function errorFields(error: unknown): { type: string; message: string; stack?: string } {
  try {
    return readError(error);
  } catch {
    return { type: typeof error, message: 'what was thrown cannot be read' };
  }
}

function readError(error: unknown): { type: string; message: string; stack?: string } {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const { name, message, stack } = error;
  return stack === undefined ? { type: name, message } : { type: name, message, stack };
}

/** All of a callback URL that may be told: paths and queries are often secrets of their own. */
export function originOf(url: string): string {
  return parseUrl(url)?.origin ?? 'unreadable';
}
