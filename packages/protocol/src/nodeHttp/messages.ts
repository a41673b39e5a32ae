/**
 * A request of `node:http`, `node:https` or `node:http2`, as far as the adapter needs it. Known by its form, so that
 * nothing of Node.js is imported here.
 */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** Names and values in turn, as they were sent. */
  readonly rawHeaders: readonly string[];
  readonly httpVersionMajor: number;
  readonly socket: object | null;
  /** Somebody has read from the body, or asked to. */
  readonly readableDidRead: boolean;
  /** The body was read to its end. */
  readonly readableEnded: boolean;
  readonly destroyed: boolean;
  on(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** The response that belongs to a {@link NodeRequest}. */
export interface NodeResponse {
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly writableFinished: boolean;
  readonly destroyed: boolean;
  writeHead(status: number, headers: Record<string, string | string[]>): unknown;
  flushHeaders?(): void;
  write(chunk: Uint8Array): boolean;
  end(): unknown;
  end(chunk: Uint8Array): unknown;
  destroy(): unknown;
  on(event: string, listener: () => void): unknown;
}

/** What the adapter needs of a clock. */
export interface Timers {
  /** Calls back once after `delayMs`. */
  setTimeout(callback: () => void, delayMs: number): unknown;
  /** Takes a timer back. */
  clearTimeout(timer: unknown): void;
}
