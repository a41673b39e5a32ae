import type { Prefix } from './eventTypes.ts';
import type { ProcessConfig } from './processShell.ts';
import type { Settings } from './settings.ts';

/** What a server is told at its start. */
export interface ServerConfig extends ProcessConfig {
  readonly prefix: Prefix;
  /** Of whoever asks without credentials, as over standard input and output. */
  readonly principal: string;
  /** Folder on the disk that may be full. */
  readonly disk: string;
  /** File of the checked type's events. */
  readonly upstream: string;
  readonly settings: Settings;
}

/** Short, so that silence is noticed within a run. */
export const HEARTBEAT_MS = 1_000;
