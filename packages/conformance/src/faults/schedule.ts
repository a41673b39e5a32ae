import { Random } from '../simulation/random.ts';
import { DISKS, ENDPOINTS, LINKS, PROCESSES, STOPPABLE } from './cast.ts';
import type { DiskName, EndpointName, LinkName, ProcessName, StoppableName } from './cast.ts';
import type { EndpointBehaviour } from './endpointBehaviour.ts';
import type { LinkFault } from './tcpProxy.ts';

/** One thing that goes wrong. What lasts is over after the time the schedule says. */
export type Fault =
  /** SIGKILL; started again after that time. */
  | { readonly kind: 'kill'; readonly whom: ProcessName }
  /** An orderly end by SIGTERM; started again after that time. */
  | { readonly kind: 'restart'; readonly whom: StoppableName }
  /** SIGSTOP, then SIGCONT. */
  | { readonly kind: 'stop'; readonly whom: ProcessName }
  /** Between a process and whoever connects to it. */
  | { readonly kind: 'link'; readonly whom: LinkName; readonly fault: LinkFault }
  /** How an endpoint answers webhooks. */
  | { readonly kind: 'endpoint'; readonly whom: EndpointName; readonly behaviour: EndpointBehaviour }
  | { readonly kind: 'diskFull'; readonly whom: DiskName }
  /** The process's clock is off by that much. */
  | { readonly kind: 'clock'; readonly whom: ProcessName; readonly offsetMs: number };

export interface ScheduledFault {
  /** Since the start of the load. */
  readonly atMs: number;
  readonly lastsMs: number;
  readonly fault: Fault;
}

/** Time in the beginning for every subscription to be made. */
const QUIET_MS = 1_500;

/** Between the beginnings of two faults. */
const PAUSE_MS = [200, 2_400] as const;

/** What goes wrong in a run: the same for the same seed and duration, and over by its end. */
export function scheduleOf(seed: number, durationMs: number): ScheduledFault[] {
  const random = new Random(seed);
  const schedule: ScheduledFault[] = [];
  /** When what was done to it is over, by kind and whom. */
  const busyUntilMs = new Map<string, number>();
  for (let atMs = QUIET_MS; ; atMs += random.int(...PAUSE_MS)) {
    const fault = faultOf(random);
    const lastsMs = lastsMsOf(fault, random);
    if (atMs + lastsMs > durationMs) {
      if (atMs > durationMs - PAUSE_MS[0]) return schedule;
      continue;
    }
    const key = `${fault.kind} ${fault.whom}`;
    if ((busyUntilMs.get(key) ?? 0) >= atMs) continue;
    busyUntilMs.set(key, atMs + lastsMs);
    schedule.push({ atMs, lastsMs, fault });
  }
}

function faultOf(random: Random): Fault {
  const kind = random.weighted({ kill: 6, restart: 4, stop: 3, link: 6, endpoint: 5, diskFull: 2, clock: 2 });
  switch (kind) {
    case 'kill':
    case 'stop':
      return { kind, whom: random.pick(PROCESSES) };
    case 'restart':
      return { kind, whom: random.pick(STOPPABLE) };
    case 'link':
      return { kind, whom: random.pick(['server', ...LINKS]), fault: linkFaultOf(random) };
    case 'endpoint':
      return { kind, whom: random.pick(ENDPOINTS), behaviour: behaviourOf(random) };
    case 'diskFull':
      return { kind, whom: random.pick(DISKS) };
    case 'clock':
      return { kind, whom: random.pick(PROCESSES), offsetMs: random.pick(OFFSETS_S) * 1_000 };
  }
}

/** Within the tolerance of signatures and beyond it, within retention and beyond it. */
const OFFSETS_S = [-3_600, -200, -10, 10, 200, 3_600];

function linkFaultOf(random: Random): LinkFault {
  const kind = random.weighted({ refuse: 2, reset: 3, hang: 2, delay: 1, truncate: 3 });
  switch (kind) {
    case 'refuse':
    case 'reset':
      return { kind };
    case 'hang':
      return { kind, thenCut: random.chance(0.5) };
    case 'delay':
      return { kind, delayMs: random.int(20, 400) };
    case 'truncate':
      return { kind, afterBytes: random.pick([0, 20, 300, 2_000]) };
  }
}

function behaviourOf(random: Random): EndpointBehaviour {
  const kind = random.weighted({ status: 4, slow: 2, hang: 1, loseAnswer: 2 });
  const share = random.pick([0.3, 1]);
  switch (kind) {
    case 'status':
      return { kind, share, status: random.pick([400, 404, 429, 500, 502, 503]) };
    case 'slow':
      return { kind, share, delayMs: random.pick([200, 1_000, 2_500]) };
    case 'hang':
    case 'loseAnswer':
      return { kind, share };
  }
}

function lastsMsOf(fault: Fault, random: Random): number {
  if (fault.kind === 'link' && fault.fault.kind === 'reset') return 0;
  // A clock that is off is not set right within seconds.
  if (fault.kind === 'clock') return random.pick([500, 4_000, 8_000, 20_000, 60_000]);
  return random.pick([100, 500, 1_000, 2_000, 4_000, 8_000]);
}

/** When, whom, what, how long. */
export function describeFault({ atMs, lastsMs, fault }: ScheduledFault): string {
  const when = `${(atMs / 1_000).toFixed(1).padStart(6)} s`;
  const lasts = lastsMs === 0 ? '' : `, ${lastsMs / 1_000} s`;
  return `${when}  ${fault.whom.padEnd(11)} ${whatOf(fault)}${lasts}`;
}

function whatOf(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
      return 'SIGKILL, away';
    case 'restart':
      return 'SIGTERM, away';
    case 'stop':
      return 'SIGSTOP';
    case 'diskFull':
      return 'disk full';
    case 'clock':
      return `clock ${fault.offsetMs > 0 ? '+' : ''}${fault.offsetMs / 1_000} s`;
    case 'link': {
      const { kind, ...details } = fault.fault;
      return `connections: ${kind}${detailsOf(details)}`;
    }
    case 'endpoint': {
      const { kind, ...details } = fault.behaviour;
      return `endpoint: ${kind}${detailsOf(details)}`;
    }
  }
}

function detailsOf(details: object): string {
  const entries = Object.entries(details);
  return entries.length === 0 ? '' : ` (${entries.map(([name, value]) => `${name} ${value}`).join(', ')})`;
}
