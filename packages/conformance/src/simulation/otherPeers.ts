import { Methods } from '@mcp-events/protocol';
import type { Dialect } from '@mcp-events/protocol';
import type { Random } from './random.ts';
import type { ServerLives } from './serverLives.ts';
import type { WorldRecord } from './worldRecord.ts';

/** NotFound, as peers of each dialect know it. */
const NOT_FOUND: Readonly<Record<Dialect, number>> = { final: -32_023, sketch: -32_011 };

/** Failures of the server's own, and what it has no room for, have their numbers too; only one is asked for here. */
const INTERNAL_ERROR = -32_603;

/** Callers whom nobody authenticated, each with arguments of its own. */
const MOST_ANONYMOUS = 24;

export interface OtherPeersOptions {
  readonly world: WorldRecord;
  readonly random: Random;
  readonly lives: ServerLives;
}

/**
 * Peers of the same server beside those whose subscriptions are followed: of either dialect, who ask for what does not
 * exist, and some that are not authenticated and poll as many things as they can. None of them may be noticed by others.
 */
export class OtherPeers {
  readonly #options: OtherPeersOptions;
  #requests = 0;

  constructor(options: OtherPeersOptions) {
    this.#options = options;
  }

  /** Between two steps of a schedule. */
  step(): void {
    const { random } = this.#options;
    if (random.chance(0.1)) this.#askForNothing(random.pick(['final', 'sketch'] as const));
    if (!random.chance(0.03)) return;
    this.#options.world.faults.add('peers: anonymous');
    for (let n = 0; n < MOST_ANONYMOUS; n++) this.#pollAnonymously(n);
  }

  #askForNothing(dialect: Dialect): void {
    const { world } = this.#options;
    world.faults.add(`peers: ${dialect}`);
    this.#ask({ name: 'unknown' }, { principal: 'carol', dialect }, (code) => {
      if (code === NOT_FOUND[dialect] || code === INTERNAL_ERROR) return;
      world.complain(
        `a peer of the ${dialect} dialect was answered ${String(code)} where NotFound is ${NOT_FOUND[dialect]}`,
      );
    });
  }

  /** Whether there was room for it is not looked at: who it is nobody can tell. */
  #pollAnonymously(n: number): void {
    this.#ask({ name: 'filtered', arguments: { severity: `none ${n}` } }, { principal: undefined, dialect: 'final' });
  }

  #ask(
    params: Readonly<Record<string, unknown>>,
    peer: { readonly principal: string | undefined; readonly dialect: Dialect },
    answered: (code: unknown) => void = () => {},
  ): void {
    const request = {
      id: `peer-${++this.#requests}`,
      method: Methods.poll,
      params: { cursor: null, ...params },
      ...peer,
      signal: new AbortController().signal,
      notify: async () => {},
    };
    this.#options.lives.current?.request(request).then(
      () => answered(undefined),
      (error: unknown) => answered((error as { code?: unknown }).code),
    );
  }
}
