import type { EmittingFact } from '../history/facts.ts';
import type { AuthoredEvent } from './authoredEvent.ts';
import type { EventSource } from './eventSources.ts';
import type { Random } from './random.ts';
import type { ServerLives } from './serverLives.ts';
import type { WorldRecord } from './worldRecord.ts';

/** What an event of a type is to be, for the server and for the history. */
export interface EventForm {
  dataOf(event: AuthoredEvent): Record<string, unknown>;
  expectationOf(type: string, event: AuthoredEvent): Pick<EmittingFact, 'values' | 'readers' | 'hash' | 'hashes'>;
}

export interface EmitterOptions {
  readonly world: WorldRecord;
  readonly random: Random;
  readonly lives: ServerLives;
  readonly form: EventForm;
  /** Whether an event is still known by its id when it is said again, however late. */
  readonly retentionLasts: boolean;
  /** Decides when an event is said again that was answered. Default: never. */
  readonly again?: Random | undefined;
}

/** So many of the latest events may be said again. */
const SAID_AGAIN = 5;

interface Said {
  readonly source: EventSource;
  readonly event: AuthoredEvent;
}

/** The author, who emits events, or adds them to the upstream, and says again what was never answered. */
export class Emitter {
  readonly #options: EmitterOptions;
  #count = 0;
  /** Emits whose outcome is not known. */
  readonly #unanswered = new Map<string, Said>();
  /** The latest ones that were answered. */
  readonly #answered: Said[] = [];

  constructor(options: EmitterOptions) {
    this.#options = options;
  }

  nextId(): string {
    return `e${++this.#count}`;
  }

  emit(source: EventSource, event: AuthoredEvent): void {
    this.#say(source, event);
    const { again, retentionLasts, world } = this.#options;
    if (again === undefined || !retentionLasts || this.#answered.length === 0 || !again.chance(0.05)) return;
    // Its author was answered, and the answer was lost on the way to whoever asked for it.
    world.faults.add('author: says again');
    const said = again.pick(this.#answered);
    this.#say(said.source, said.event);
  }

  #say(source: EventSource, event: AuthoredEvent): void {
    const { world, lives, form } = this.#options;
    const { name, upstream, positions } = source;
    const { eventId } = event;
    const server = lives.current;
    const handle = server?.handles.get(name);
    if (upstream === undefined && (server === undefined || handle === undefined)) return;
    const data = form.dataOf(event);
    world.record({ fact: 'emitting', type: name, eventId, ...form.expectationOf(name, event) });
    if (upstream !== undefined) {
      const position = upstream.add(eventId, data, { now: () => world.time.nowMs });
      world.record({ fact: 'emitted', eventId, cursor: `c0.${position}` });
      return;
    }
    const place = positions?.add(eventId);
    // It is nowhere to be found again.
    if (positions === undefined) this.#unanswered.set(eventId, { source, event });
    const answered = (act: () => void): void => {
      if (server?.alive !== true) return;
      this.#unanswered.delete(eventId);
      act();
    };
    handle?.emit(data, { eventId }).then(
      ({ cursor }) =>
        answered(() => {
          world.record({ fact: 'emitted', eventId, cursor: cursor ?? place ?? '' });
          if (positions === undefined) this.#answered.push({ source, event });
          if (this.#answered.length > SAID_AGAIN) this.#answered.shift();
        }),
      () => answered(() => world.record({ fact: 'emitFailed', eventId })),
    );
  }

  /** The storage is an earlier one: what was stored since then is not asked for again. */
  forget(): void {
    this.#unanswered.clear();
    this.#answered.length = 0;
  }

  /**
   * With a new life of the server: an author who does not know whether an event was stored says it again, by the same id, or
   * leaves it. An event that retention has removed meanwhile would be another one.
   */
  repeat(): void {
    const { random, retentionLasts } = this.#options;
    for (const [eventId, { source, event }] of this.#unanswered) {
      this.#unanswered.delete(eventId);
      if (retentionLasts && random.chance(0.5)) this.emit(source, event);
    }
  }
}
