import type { Storage } from '@mcp-events/server';

/** What one run of the server keeps for the next. */
export interface OpenedStorage {
  /** Closed with the run. */
  readonly storage: Storage;
  /** Encrypt what is secret in the storage. */
  readonly secretKeys: readonly string[];
  /** Whether it outlives the process, so that more than an hour can be promised on it (TTL-11, TTL-12). */
  readonly longGrants: boolean;
}

/** Opens the storage for the next run; the run before it must have ended. */
export type OpenStorage = () => Promise<OpenedStorage>;
