import type { ClientDeliveryMode } from '@mcp-events/client';
import type { BegunFact } from '../history/facts.ts';
import type { ProcessConfig } from './processShell.ts';

/** What an application follows. */
export interface Followed {
  /** Its name in the history. */
  readonly subscription: string;
  readonly type: string;
  readonly arguments: NonNullable<BegunFact['arguments']>;
  /** Left out: the client chooses, and changes when it has to. */
  readonly delivery?: ClientDeliveryMode;
  /** `handler`: exactly once, in a SQLite inbox. `loop`: acknowledged by asking for the next one. */
  readonly by: 'handler' | 'loop';
}

/** What a client is told at its start. */
export interface ClientConfig extends ProcessConfig {
  /** Folder on the disk that may be full. */
  readonly disk: string;
  /** Where positions are kept that no handler has. */
  readonly store: 'file' | 'inbox';
  readonly server: { readonly url: string } | { readonly command: string; readonly args: readonly string[] };
  readonly webhook?: { readonly url: string; readonly ttlMs: number | null };
  readonly followed: readonly Followed[];
  readonly principal: string;
}
