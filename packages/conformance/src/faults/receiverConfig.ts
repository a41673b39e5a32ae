import type { BegunFact } from '../history/facts.ts';
import type { ProcessConfig } from './processShell.ts';

/** What a receiver without an events client is told at its start. */
export interface ReceiverConfig extends ProcessConfig {
  /** Folder on the disk that may be full. */
  readonly disk: string;
  readonly server: string;
  /** Where the server posts to: below it, each subscription has a path of its own. */
  readonly callback: string;
  readonly principal: string;
  readonly kept: readonly Kept[];
}

/** One subscription that it keeps alive. */
export interface Kept {
  readonly subscription: string;
  readonly type: string;
  readonly arguments: NonNullable<BegunFact['arguments']>;
  readonly secret: string;
  readonly ttlMs: number | null;
  /** It is given up before the run ends. */
  readonly leaves: boolean;
}
