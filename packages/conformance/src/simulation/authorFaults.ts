import type { AuthorBehaviour } from './eventSources.ts';
import { editAll } from './editing.ts';
import type { FaultCounts } from './faultCounts.ts';
import type { EventTypeDefinition } from '@mcp-events/server';
import type { Random } from './random.ts';
import { nonsenseOf } from './nonsense.ts';
import type { ProcessClock } from './virtualTime.ts';
import { throwSomething } from './thrownThings.ts';

type AuthorFunction = (...args: unknown[]) => unknown;

/** Functions that an author may add to any event type. */
const ADDED: Readonly<Record<string, AuthorFunction>> = {
  authorize: () => true,
  onSubscribe: () => undefined,
  onUnsubscribe: () => undefined,
};

const FUNCTIONS = [...Object.keys(ADDED), 'match', 'transform', 'check'] as const;

/** Whose failure may cost an event. */
const DECIDING: ReadonlySet<string> = new Set(['match', 'transform']);

/** What is kept to be changed later. */
const MOST_KEPT = 40;

/** How often functions of the author's misbehave: of each call. Changed while they are in use. */
export interface AuthorFaultRates {
  /** Changes what it was given, or tries to. */
  edit: number;
  /** Keeps what it was given, or has answered, and changes it when it is called again. */
  keep: number;
  /** Answers what no function of its kind may answer. */
  nonsense: number;
  /** Throws, or rejects with, something that need not be an error. */
  throws: number;
  /** Never answers. */
  hang: number;
}

const NONE: AuthorFaultRates = { edit: 0, keep: 0, nonsense: 0, throws: 0, hang: 0 };

/**
 * Lets the functions of an author misbehave around what they decide: they decide as before, of what they were given, and
 * whatever they do to it besides must reach nobody else.
 */
export class AuthorFaults {
  readonly rates: AuthorFaultRates = { ...NONE };
  readonly #random: Random;
  readonly #onFailure: AuthorBehaviour['onFailure'];
  readonly #counts: FaultCounts;
  readonly #kept: unknown[] = [];
  /** Answers without sense that the server has not complained of yet. */
  #untoldNonsense = 0;
  /** Those of a check are told to each of those who share it. */
  #hasNonsenseChecks = false;

  constructor(random: Random, onFailure: AuthorBehaviour['onFailure'], counts: FaultCounts) {
    this.#random = random;
    this.#onFailure = onFailure;
    this.#counts = counts;
  }

  /** Whether an error that the server reports tells of nonsense; each of them accounts for one report. */
  expects(error: unknown): boolean {
    if (!(error instanceof TypeError) && !violatesSchema(error)) return false;
    if (this.#hasNonsenseChecks && error.message.startsWith('check of ')) return true;
    if (this.#untoldNonsense === 0) return false;
    this.#untoldNonsense--;
    return true;
  }

  /** The same definition, whose functions misbehave. */
  wrap(type: string, definition: EventTypeDefinition, clock: ProcessClock): EventTypeDefinition {
    const wrapped: Record<string, unknown> = { ...definition };
    for (const name of FUNCTIONS) {
      const original = wrapped[name] ?? ADDED[name];
      if (typeof original !== 'function') continue;
      wrapped[name] = (...args: unknown[]) => this.#call(type, name, original as AuthorFunction, args, clock);
    }
    return wrapped as unknown as EventTypeDefinition;
  }

  #call(type: string, name: string, original: AuthorFunction, args: unknown[], clock: ProcessClock): unknown {
    const random = this.#random;
    const { rates } = this;
    if (this.#kept.length > 0 && random.chance(rates.keep)) this.#editKept();
    const [context, event] = args as [{ readonly principal?: string }, { readonly eventId?: string }?];
    const eventId = event?.eventId;
    const failed = (what: string): void => {
      this.#counts.add(`author: ${what}`);
      if (DECIDING.has(name)) this.#onFailure(type, context.principal, eventId);
    };
    if (random.chance(rates.throws)) {
      failed('throws');
      return throwSomething(random, `the simulated ${name} of ${type} threw`);
    }
    if (random.chance(rates.hang)) {
      failed('hangs');
      return new Promise(() => {});
    }
    // It decides of a copy, as it may decide later, and have changed the original by then.
    const answer = original({ ...context }, ...args.slice(1));
    if (random.chance(rates.edit)) {
      this.#counts.add('author: edits');
      editAll(args);
    }
    if (random.chance(rates.keep)) this.#keep(args);
    if (name !== 'authorize' && random.chance(rates.nonsense)) {
      const nonsense = nonsenseOf(random, name);
      if (nonsense !== undefined) {
        failed('nonsense');
        // Nobody gets what it would have answered instead.
        if (answer instanceof Promise) answer.catch(() => {});
        if (name === 'check') this.#hasNonsenseChecks = true;
        else this.#untoldNonsense++;
        return random.chance(0.5) ? nonsense.value : clock.delay(0).then(() => nonsense.value);
      }
    }
    if (name !== 'check' && name !== 'transform') return answer;
    return answer instanceof Promise ? answer.then((late) => this.#own(late)) : this.#own(answer);
  }

  /** A copy for the server, which the author keeps. */
  #own(answer: unknown): unknown {
    if (!this.#random.chance(this.rates.keep)) return answer;
    const own = structuredClone(answer);
    // When the server has it: until then it is the author's.
    queueMicrotask(() => queueMicrotask(() => this.#keep([own])));
    return own;
  }

  #keep(values: readonly unknown[]): void {
    this.#counts.add('author: keeps');
    this.#kept.push(...values);
    this.#kept.splice(0, this.#kept.length - MOST_KEPT);
  }

  #editKept(): void {
    this.#counts.add('author: edits later');
    editAll(this.#kept.splice(0));
  }
}

/** Of a payload that has the form of one, and members of other types. */
function violatesSchema(error: unknown): error is Error {
  return error instanceof Error && error.name === 'SchemaViolation';
}
