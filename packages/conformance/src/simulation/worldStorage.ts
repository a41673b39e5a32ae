import { openDisk } from './serverEngine.ts';
import type { EngineContext, OpenEngine } from './serverEngine.ts';
import type { Settings } from './settings.ts';
import type { VirtualDisk } from './virtualDisk.ts';
import type { DiskBehaviour } from './diskStorage.ts';

/** What the server of a schedule keeps its things in, over all its lives. */
export interface WorldStorage {
  /** Whether what it holds outlives the process. */
  readonly survives: boolean;
  /** The settings of a schedule, as far as this storage allows them. */
  adapt(settings: Settings): Settings;
  /** Opens it for one life of the server. */
  open(context: EngineContext): OpenEngine | Promise<OpenEngine>;
  /** Where the log of an event type ends, at the furthest; `undefined` for one that does not exist any more. */
  endOf(type: string): string | undefined;
}

/** Where events come from, and where they are kept, in most schedules. */
export class DiskWorldStorage implements WorldStorage {
  readonly survives = true;
  readonly #disk: VirtualDisk;
  readonly #behaviour: DiskBehaviour;

  constructor(disk: VirtualDisk, behaviour: DiskBehaviour) {
    this.#disk = disk;
    this.#behaviour = behaviour;
  }

  adapt(settings: Settings): Settings {
    return settings;
  }

  open(context: EngineContext): OpenEngine {
    return openDisk(this.#disk, this.#behaviour, context);
  }

  endOf(type: string): string | undefined {
    const log = this.#disk.logs.get(type);
    return log && `${log.epoch}.${log.head + 1}`;
  }
}
