import type { EmittingFact } from '../history/facts.ts';
import type { Emitter } from './emitter.ts';
import type { EventSource } from './eventSources.ts';
import type { ServerLives } from './serverLives.ts';
import type { WorldRecord } from './worldRecord.ts';

/** Every subscription is to be told, whatever it wants: one of these values is among what each of them asks for. */
const FOR_ALL: Pick<EmittingFact, 'values'> = { values: { severity: 'high' } };

export interface LossReportsOptions {
  readonly world: WorldRecord;
  readonly lives: ServerLives;
  readonly emitter: Pick<Emitter, 'nextId'>;
  /** Where a log ends that is on disk; `undefined` for one that does not exist. */
  readonly endOf: (type: string) => string | undefined;
}

/**
 * An author who knows that events were missed, and reports it. For the history the loss is an event that nobody can be
 * given: whoever passes its place without having been told of a gap was told nothing.
 */
export class LossReports {
  readonly #options: LossReportsOptions;
  /** Types of reports that were not answered, by the event that is lost: nobody knows whether they are in the log. */
  readonly #unanswered = new Map<string, string>();

  constructor(options: LossReportsOptions) {
    this.#options = options;
  }

  report(source: EventSource): void {
    const { world, lives, emitter } = this.#options;
    const { name: type, upstream } = source;
    const server = lives.current;
    const handle = server?.handles.get(type);
    if (upstream === undefined && handle === undefined) return;
    const eventId = emitter.nextId();
    const cause = { fact: 'lossCause', why: 'reported', type, eventId } as const;
    world.faults.add('author: reports a loss');
    world.record(cause);
    world.record({ fact: 'emitting', type, eventId, ...FOR_ALL });
    const stands = (cursor: string): void => {
      world.record({ fact: 'emitted', eventId, cursor });
      world.record({ ...cause, upTo: cursor });
    };
    if (upstream !== undefined) {
      stands(`c${upstream.lose()}.0`);
      return;
    }
    this.#unanswered.set(eventId, type);
    const answered = (act: () => void): void => {
      if (server?.alive !== true) return;
      this.#unanswered.delete(eventId);
      act();
    };
    handle?.reportLoss().then(
      (cursor) => answered(() => stands(cursor ?? '')),
      () => answered(() => world.record({ fact: 'emitFailed', eventId })),
    );
  }

  /** Before another life of the server, in which a report that was not answered may turn out to be stored. */
  beforeStart(): void {
    const { world, endOf } = this.#options;
    for (const [eventId, type] of this.#unanswered) {
      const upTo = endOf(type);
      if (upTo !== undefined) world.record({ fact: 'lossCause', why: 'reported', type, upTo, eventId });
    }
    this.#unanswered.clear();
  }
}
