import { internalError, isJsonObject } from '@mcp-events/protocol';
import type { Dialect, EventsError, RpcError } from '@mcp-events/protocol';
import { utf8ByteLength } from './utf8.ts';

/** Longest message, in UTF-16 units: some sentences. */
const MAX_MESSAGE_LENGTH = 2_048;

/** Most bytes of `data`, which is for programs: some words and numbers. */
const MAX_DATA_BYTES = 16 * 1024;

/**
 * An error as its peer is told, in any mode. Authors make such errors, of whatever they were given themselves: a message is
 * cut, and data that is no JSON, or too much, is left out, as nothing of it may break what is delivered to others (ERR-12).
 * Never throws.
 */
export function rpcErrorOf(error: EventsError, dialect: Dialect): RpcError {
  try {
    const { code, message, data } = error.toRpcError(dialect);
    // What an error of another copy of this package says is that copy's.
    if (Number.isSafeInteger(code)) {
      const written = writtenData(data);
      const told = { code, message: message.slice(0, MAX_MESSAGE_LENGTH) };
      return written === undefined ? told : { ...told, data: written };
    }
  } catch {
    // It says nothing that could be told.
  }
  return internalError().toRpcError(dialect);
}

function writtenData(data: unknown): Record<string, unknown> | undefined {
  try {
    const json = JSON.stringify(data);
    if (json === undefined || utf8ByteLength(json) > MAX_DATA_BYTES) return undefined;
    const copy: unknown = JSON.parse(json);
    return isJsonObject(copy) ? copy : undefined;
  } catch {
    return undefined;
  }
}
