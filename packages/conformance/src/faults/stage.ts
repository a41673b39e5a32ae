import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from './child.ts';
import { Control } from './control.ts';
import { DISKS, LINKS, PROCESSES } from './cast.ts';
import type { DiskName, LinkName, ProcessName, StoppableName } from './cast.ts';
import type { Circumstances } from './controlMessages.ts';
import { Disk } from './disk.ts';
import { FactWriter, monotonicMs } from './factWriter.ts';
import { loadRandom } from './loadRandom.ts';
import { pause } from './processShell.ts';
import { argsOf } from './roles.ts';
import type { Surroundings } from './roles.ts';
import type { Settings } from './settings.ts';
import { TcpProxy } from './tcpProxy.ts';
import { UpstreamAuthor } from './upstreamAuthor.ts';

const LOOK_EVERY_MS = 100;

/** Processes that the runner starts itself, servers first. */
const CHILDREN = PROCESSES.filter((name) => name !== 'pipedServer');

/** All that one run consists of: processes, what lies between them, and what they write on. */
export class Stage {
  readonly facts: FactWriter;
  readonly upstream: UpstreamAuthor;
  readonly #disks: ReadonlyMap<DiskName, Disk>;
  readonly #proxies: ReadonlyMap<LinkName, TcpProxy>;
  readonly #control: Control;
  readonly #around: Surroundings;
  readonly #children = new Map<ProcessName, Child>();
  #closed = false;

  private constructor(
    around: Surroundings,
    control: Control,
    proxies: ReadonlyMap<LinkName, TcpProxy>,
    disks: ReadonlyMap<DiskName, Disk>,
  ) {
    this.#around = around;
    this.#control = control;
    this.#proxies = proxies;
    this.#disks = disks;
    this.facts = new FactWriter(around.folder, 'runner');
    const retention = around.settings.upstreamRetention;
    this.upstream = new UpstreamAuthor(this.facts, around.upstream, loadRandom(around.seed, 'upstream'), retention);
    control.onHello = ({ name, port }) => {
      const proxy = proxies.get(name as LinkName);
      if (proxy !== undefined) proxy.targetPort = port;
    };
    control.onGone = ({ name }) => {
      // Others are told of by whoever waits for their end.
      if (name === 'pipedServer' && !this.#closed) this.facts.record({ fact: 'killed', process: name });
    };
  }

  static async build(folder: string, settings: Settings, seed: number): Promise<Stage> {
    mkdirSync(folder, { recursive: true });
    const disks = new Map(DISKS.map((name) => [name, new Disk(join(folder, 'disks', name))]));
    const proxies = new Map<LinkName, TcpProxy>();
    for (const name of LINKS) proxies.set(name, await TcpProxy.listen());
    const control = await Control.listen(join(folder, 'control'));
    const upstream = join(folder, 'upstream.jsonl');
    const around: Surroundings = {
      folder,
      control: control.path,
      upstream,
      settings,
      seed,
      portOf: (name) => (proxies.get(name) as TcpProxy).port,
      diskOf: (name) => (disks.get(name) as Disk).folder,
    };
    return new Stage(around, control, proxies, disks);
  }

  get folder(): string {
    return this.#around.folder;
  }

  disk(name: DiskName): Disk {
    return this.#disks.get(name) as Disk;
  }

  proxy(name: LinkName): TcpProxy {
    return this.#proxies.get(name) as TcpProxy;
  }

  change(name: ProcessName, change: Partial<Circumstances>): void {
    this.#control.change(name, change);
  }

  changeAll(change: Partial<Circumstances>): void {
    for (const name of PROCESSES) this.change(name, change);
  }

  start(name: ProcessName): void {
    // Its client starts that one.
    if (name === 'pipedServer' || this.#closed || this.#children.get(name)?.isAlive === true) return;
    const logFile = join(this.folder, `${name}.log`);
    const complain = (message: string): void => {
      if (!this.#closed) this.facts.complain(message);
    };
    this.#children.set(name, new Child(name, argsOf(name, this.#around), logFile, complain));
  }

  startAll(): void {
    for (const name of CHILDREN) this.start(name);
  }

  /** Resolves when it is gone; does nothing if it is not there. */
  async kill(name: ProcessName): Promise<boolean> {
    const child = this.#children.get(name);
    if (name === 'pipedServer') return this.signal(name, 'SIGKILL');
    if (child?.isAlive !== true) return false;
    const proxy = this.#proxies.get(name as LinkName);
    if (proxy !== undefined) proxy.targetPort = undefined;
    await child.kill();
    this.facts.record({ fact: 'killed', process: name });
    return true;
  }

  /** Has it end in order; resolves when it is gone, and with whether it was there. */
  async end(name: StoppableName): Promise<boolean> {
    const child = this.#children.get(name);
    if (child?.isAlive !== true) return false;
    const end = await child.stop();
    const proxy = this.#proxies.get(name as LinkName);
    if (proxy !== undefined) proxy.targetPort = undefined;
    // What it could not store any more is as lost as if it had been killed.
    if (end === 'incomplete') this.facts.record({ fact: 'killed', process: name });
    return true;
  }

  /** Whether there was somebody to signal. */
  signal(name: ProcessName, signal: NodeJS.Signals): boolean {
    const hello = this.#control.get(name);
    if (hello === undefined) return false;
    try {
      return process.kill(hello.pid, signal);
    } catch {
      // Gone at this moment.
      return false;
    }
  }

  get missing(): ProcessName[] {
    return PROCESSES.filter((name) => this.#control.get(name) === undefined);
  }

  /** Resolves with whether every process was there before the time was over. */
  async everybody(withinMs: number, signal: AbortSignal): Promise<boolean> {
    const deadline = monotonicMs() + withinMs;
    while (this.missing.length > 0 && !signal.aborted) {
      if (monotonicMs() > deadline) return false;
      await pause(LOOK_EVERY_MS);
    }
    return true;
  }

  /** Ends every process in order: clients first. */
  async stopAll(): Promise<void> {
    for (const name of CHILDREN.toReversed()) await this.#children.get(name)?.stop();
  }

  /** Leaves nothing behind but the folder. */
  async close(): Promise<void> {
    this.#closed = true;
    this.signal('pipedServer', 'SIGKILL');
    await Promise.all([...this.#children.values()].map((child) => child.kill()));
    await this.upstream.stop();
    this.upstream.close();
    this.#control.close();
    for (const proxy of this.#proxies.values()) proxy.close();
    this.facts.close();
  }

  unmount(): void {
    for (const disk of this.#disks.values()) disk.unmount();
  }
}
