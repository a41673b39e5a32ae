import { forbidden } from '@mcp-events/protocol';
import type { Emitter } from './emitter.ts';
import type { EventSource } from './eventSources.ts';
import type { LossReports } from './lossReports.ts';
import { OUTBOXED } from './outboxAuthor.ts';
import type { Random } from './random.ts';
import type { ServerLives } from './serverLives.ts';
import type { WorldRecord } from './worldRecord.ts';

/** Events that are emitted so in one run: each emit is told to a log that may emit again. */
const MOST_EMITS = 10;

export interface CallBackOptions {
  readonly world: WorldRecord;
  readonly random: Random;
  readonly lives: ServerLives;
  readonly emitter: Emitter;
  readonly sources: readonly EventSource[];
  readonly lossReports: LossReports;
}

/** Calls something of the API of the server that runs, as a log may do that is told something by this server. */
export function callBackOf({ world, random, lives, emitter, sources, lossReports }: CallBackOptions): () => void {
  // Those of an outbox are counted by their author.
  const emitted = sources.filter(({ name, upstream }) => upstream === undefined && name !== OUTBOXED);
  let emits = 0;
  return () => {
    const events = lives.current?.events;
    if (events === undefined) return;
    const what = random.pick(['emit', 'terminate', 'look', 'lose']);
    world.faults.add(`called back: ${what}`);
    try {
      if (what === 'look') events.subscriptions();
      // Nobody has that name: what is tried is the call from within.
      else if (what === 'terminate') events.terminate({ principal: 'nobody' }, forbidden('revoked')).catch(() => {});
      else if (what === 'lose') {
        if (++emits <= MOST_EMITS) lossReports.report(random.pick(emitted));
      } else if (++emits <= MOST_EMITS) {
        emitter.emit(random.pick(emitted), { eventId: emitter.nextId(), severity: random.pick(['high', 'low']) });
      }
    } catch (error) {
      world.complain(`a call from within failed: ${String((error as Error).stack)}`);
    }
  };
}
