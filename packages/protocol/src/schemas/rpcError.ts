import * as z from 'zod';

/** The `error` object of JSON-RPC, also carried by `error` and `terminated` messages (TERM-01). */
export interface RpcError {
  /** Integer code; its meaning depends on the dialect (ERR-06, DIALECT-08). */
  code: number;
  /** Text for people. Never branch on it (ERR-07). */
  message: string;
  /** Details; the errors of the extension carry an object here. */
  data?: unknown;
}

/** Reads a JSON-RPC error; a missing message is empty. */
export const rpcErrorSchema: z.ZodType<RpcError> = z.looseObject({
  code: z.int(),
  message: z.string().default(''),
  data: z.unknown().optional(),
});
