import { createInterface } from 'node:readline';
import type { Socket } from 'node:net';
import type { ProcessName } from './cast.ts';
import type { EndpointBehaviour } from './endpointBehaviour.ts';

/** From a process to the runner, once it can be reached. */
export interface Hello {
  readonly name: ProcessName;
  readonly pid: number;
  /** Where it listens on this machine, if it does. */
  readonly port?: number;
}

/** From the runner: how things are from now on. */
export interface Circumstances {
  readonly clockOffsetMs: number;
  readonly endpoint: EndpointBehaviour | null;
  /** Whether authors go on emitting. */
  readonly emitting: boolean;
  /** Whether subscriptions that are to end before the run does end now: access to some is revoked, others are given up. */
  readonly ending: boolean;
}

export function send(socket: Socket, message: Hello | Circumstances): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
}

export function onMessage(socket: Socket, take: (message: never) => void): void {
  createInterface({ input: socket })
    .on('line', (line) => take(JSON.parse(line) as never))
    // Both ends may be killed at any moment.
    .on('error', () => {});
}

/** How things are as long as the runner says nothing else. */
export const ORDINARY: Circumstances = { clockOffsetMs: 0, endpoint: null, emitting: true, ending: false };
