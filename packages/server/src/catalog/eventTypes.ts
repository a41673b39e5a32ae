import { notFound, unsupported } from '@mcp-events/protocol';
import type { EventsError } from '@mcp-events/protocol';
import type { Core } from '../core.ts';
import { CheckFeed } from '../feed/checkFeed.ts';
import { LiveFeed } from '../feed/liveFeed.ts';
import { LogFeed } from '../feed/logFeed.ts';
import type { Storage } from '../storage/storage.ts';
import { isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';
import { ObservedLog } from '../observability/observedLog.ts';
import type { EventsOptions } from '../options.ts';
import type { EventLog, Note, Retention } from '../storage/eventLog.ts';
import { readEventsError } from '../readEventsError.ts';
import { readNote } from '../storage/readNote.ts';
import type { SubscriptionFilter } from '../subscription/registry.ts';
import type { AnyDefinition, EventTypeDefinition } from './definition.ts';
import { Emitter } from './emitter.ts';
import type { PreparedEvent } from './emitter.ts';
import type { EmittedEvent, EmitOptions, EventHandle } from './eventHandle.ts';
import { compileType } from './eventType.ts';
import type { CompiledType, EventType } from './eventType.ts';
import { openFeed, sourceKind } from './openFeed.ts';
import { breakingChange, isRememberedType, schemaChanged } from './schemaChange.ts';
import type { BreakingChange, Ending, RememberedType } from './schemaChange.ts';

export interface EventTypesOptions {
  readonly core: Core;
  readonly storage: Storage;
  readonly onWarning: NonNullable<EventsOptions['onWarning']>;
  readonly breakingChanges: NonNullable<EventsOptions['breakingChanges']>;
  /** Ends subscriptions, live or stored: those that are known before it returns. Resolves when that is stored, else rejects. */
  readonly terminate: (filter: SubscriptionFilter, error: EventsError) => Promise<unknown>;
  /** What the list shows has changed (LIST-09). */
  readonly onChange: () => void;
  /** A type is on offer, for the first time or again. */
  readonly onDefined: (type: EventType) => void;
}

/** What `emit` does with an event of one type, in two steps. */
export interface Emission {
  /** Whether the type has a log, which stores notes with its events. */
  readonly hasLog: boolean;
  /** Throws a `TypeError` that says what is wrong with the event. */
  prepare(data: unknown, options: EmitOptions): PreparedEvent;
  append(prepared: PreparedEvent, note: Note): Promise<EmittedEvent>;
}

/** Offers, changes and withdraws event types while the server runs. */
export class EventTypes {
  readonly #options: EventTypesOptions;
  readonly #emitters = new Map<string, Emitter>();

  constructor(options: EventTypesOptions) {
    this.#options = options;
  }

  define<Input, Args, Payload>(
    name: string,
    definition: EventTypeDefinition<Input, Args, Payload>,
  ): EventHandle<Input, Args, Payload> {
    const { core, onWarning, onChange, onDefined } = this.#options;
    const { catalog } = core;
    if (catalog.get(name) !== undefined) throw new TypeError(`event type ${JSON.stringify(name)} is defined already`);
    const compiled = this.#compile(name, definition as AnyDefinition);
    let type = this.#open(name, compiled, this.#changeSinceLastRun(name, compiled));
    onChange();
    onDefined(type);
    const emitter = new Emitter(core, name, (message) => onWarning(message, { stage: 'emit', name }));
    this.#emitters.set(name, emitter);
    const offered = (): EventType => {
      if (catalog.get(name) !== type) throw new TypeError(`event type ${JSON.stringify(name)} was removed`);
      return type;
    };
    return {
      name,
      emit: (data, options = {}) => emitter.emit(offered, data, options),
      wake: () => {
        const { feed } = offered();
        if (feed instanceof CheckFeed) feed.wake();
        else throw new TypeError(`${name} is emitted: there is no check to call`);
      },
      reportLoss: async () => emittedFeed(offered()).lose(),
      reportFailure: (error) => emittedFeed(offered()).fail(readEventsError(error)),
      update: (changed) => {
        type = this.#update(offered(), changed as AnyDefinition);
      },
      remove: () => {
        if (catalog.get(name) === type) this.#remove(type);
      },
    };
  }

  /** `undefined` when the type is not offered at the moment. */
  emission(name: string): Emission | undefined {
    const type = this.#options.core.catalog.get(name);
    const emitter = this.#emitters.get(name);
    if (type === undefined || emitter === undefined) return undefined;
    return {
      hasLog: type.feed instanceof LogFeed,
      prepare: (data, options) => emitter.prepare(type, data, options),
      append: (prepared, note) => emitter.move(type, prepared, note),
    };
  }

  #compile(name: string, definition: AnyDefinition): CompiledType {
    return compileType(name, definition, this.#options.core.webhooks !== undefined);
  }

  /**
   * Offers the type as compiled, and remembers its schemas for the next run.
   *
   * @param ending what its past and its present subscriptions are not fit for any more
   */
  #open(name: string, compiled: CompiledType, ending: Ending | undefined): EventType {
    const { core, storage } = this.#options;
    let cleared: MaybePromise<void> | undefined;
    let epoch: string | undefined;
    const openLog = (retention: Retention): EventLog => {
      const opened = storage.openLog(name, retention);
      const log = core.observer === undefined ? opened : new ObservedLog(core.observer, name, opened);
      if (ending !== undefined && !isFit(log, ending)) {
        const before = log.epoch;
        cleared = this.#forgetPast(name, log, ending);
        if (log.epoch !== before) ({ epoch } = log);
      }
      return log;
    };
    const type: EventType = {
      name,
      compiled,
      feed: openFeed(
        core,
        openLog,
        name,
        () => type.compiled,
        compiled,
        () => core.webhooks?.advanced(name),
      ),
      ending: undefined,
      rules: () => type.compiled.rules,
      reportSelection: (error) => core.report(error, 'match or transform', name),
    };
    core.catalog.set(type);
    if (ending === undefined) this.#remember(type);
    else void this.#end(type, epoch === undefined ? ending : { ...ending, epoch }, cleared);
    return type;
  }

  /**
   * Ends the subscriptions that a breaking change leaves without a valid contract. That this is to be done is remembered
   * until it is stored, so that a run which is killed meanwhile leaves it to the next one (TERM-12).
   *
   * @param cleared when the events before are removed
   */
  async #end(type: EventType, ending: Ending, cleared: MaybePromise<void> | undefined): Promise<void> {
    const { name } = type;
    const { core, terminate } = this.#options;
    type.ending = ending;
    this.#remember(type);
    const ended = terminate({ name }, schemaChanged(ending.part));
    try {
      await Promise.all([cleared, ended]);
    } catch {
      // Told by who failed. What is remembered has the next run do it.
      return;
    }
    // A later change has its own ending.
    if (type.ending !== ending || core.catalog.get(name) !== type || core.closed) return;
    type.ending = undefined;
    this.#remember(type);
  }

  /**
   * An earlier run may have offered the name with other schemas. Without their note nobody knows whether stored events
   * fit the payload schema (OCC-04) and stored subscriptions have a valid contract (TERM-03): neither may be delivered as
   * if they did, nor cleared as if they did not.
   */
  #changeSinceLastRun(name: string, { descriptor }: CompiledType): Ending | undefined {
    const known = readNote(this.#options.storage.notes, {
      key: noteKey(name),
      about: `the schemas that event type ${JSON.stringify(name)} had in the last run`,
      isValid: isRememberedType,
      without: 'its stored events and subscriptions then count as fit for the schemas it has now',
    });
    if (known === undefined) return undefined;
    const broken = breakingChange(known, descriptor);
    if (broken === undefined) return known.ending;
    this.#assertAllowed(name, broken, 'the one of the last run');
    return broken.part === 'payloadSchema' ? broken : withEpoch(broken, known.ending);
  }

  #forgetPast(name: string, log: EventLog, { what }: BreakingChange): MaybePromise<void> {
    const count = log.head - log.oldest + 1;
    if (count > 0) {
      const words = `${count} stored event${count === 1 ? '' : 's'} of ${JSON.stringify(name)} ${count === 1 ? 'is' : 'are'} removed`;
      this.#warn(name, `${words}: its payload schema was changed incompatibly (${what}). Subscribers are told a gap`);
    }
    const cleared = begun(() => log.clear());
    this.#stored(name, cleared);
    return cleared;
  }

  /** Throws where the operator wants to decide first; else says what becomes of those who subscribed. Nothing is changed yet. */
  #assertAllowed(name: string, { part, what }: BreakingChange, before: string): void {
    const role = part === 'payloadSchema' ? 'payload' : 'input';
    const words = `the ${role} schema of event type ${JSON.stringify(name)} is incompatible with ${before} (${what})`;
    if (this.#options.breakingChanges === 'refuse') {
      throw new TypeError(
        `${words}. Nothing was changed. Offer the new form under another name, or allow it with breakingChanges: 'apply', ` +
          `which ends the subscriptions of the type${part === 'payloadSchema' ? ' and removes its stored events' : ''}`,
      );
    }
    this.#warn(name, `${words}: its subscriptions are ended with Unsupported`);
  }

  #warn(name: string, message: string): void {
    this.#options.onWarning(message, { stage: 'define', name });
  }

  #remember({ name, compiled, ending }: EventType): void {
    const { notes } = this.#options.storage;
    const { payloadSchema, inputSchema } = compiled.descriptor;
    const value = JSON.stringify({ payloadSchema, inputSchema, ending } satisfies RememberedType);
    if (notes.get(noteKey(name)) !== value)
      this.#stored(
        name,
        begun(() => notes.set({ key: noteKey(name), value })),
      );
  }

  /** What is stored on the side: a failure is reported, and what it was for is done again in the next run. */
  #stored(name: string, storing: MaybePromise<void>): void {
    if (isPromise(storing)) storing.catch((error: unknown) => this.#options.core.report(error, 'storage', name));
  }

  #update(type: EventType, definition: AnyDefinition): EventType {
    const { name } = type;
    const { registry } = this.#options.core;
    const compiled = this.#compile(name, definition);
    if (sourceKind(definition) !== sourceKind(type.compiled.definition)) {
      throw new TypeError(`event type ${JSON.stringify(name)} cannot change where its events come from`);
    }
    const broken = breakingChange(type.compiled.descriptor, compiled.descriptor);
    if (broken !== undefined) this.#assertAllowed(name, broken, 'the one before');
    const modesGone = type.compiled.descriptor.delivery.filter((mode) => !compiled.descriptor.delivery.includes(mode));
    let changed = type;
    if (broken?.part !== 'payloadSchema') {
      type.compiled = compiled;
      if (broken === undefined) this.#remember(type);
      else void this.#end(type, withEpoch(broken, type.ending), undefined);
      if (type.feed instanceof LogFeed || type.feed instanceof LiveFeed) type.feed.setFilter(compiled.rules.filter);
    } else {
      type.feed.close();
      changed = this.#open(name, compiled, broken);
    }
    for (const subscription of registry.find({ name })) {
      if (!modesGone.includes(subscription.mode)) continue;
      subscription.terminate(unsupported('deliveryMode', { value: subscription.mode }));
    }
    this.#options.onChange();
    return changed;
  }

  #remove(type: EventType): void {
    const { name } = type;
    const { core, terminate } = this.#options;
    core.catalog.delete(name);
    this.#emitters.delete(name);
    // Also those that are stored and not back yet: they would go on should the name be offered again (TERM-02).
    terminate({ name }, notFound('event', `The event type ${JSON.stringify(name)} was removed`)).catch(
      (error: unknown) => core.report(error, 'storage', name),
    );
    const { notes } = this.#options.storage;
    const key = noteKey(name);
    const value = notes.get(key);
    if (type.feed instanceof LogFeed) {
      const { feed } = type;
      const cleared = begun(() => feed.clear());
      this.#stored(name, cleared);
      // Events that stay need the schemas they were emitted under.
      const keep = (): void => {
        if (value !== undefined && notes.get(key) === undefined)
          this.#stored(
            name,
            begun(() => notes.set({ key, value })),
          );
      };
      if (isPromise(cleared)) cleared.catch(keep);
    }
    type.feed.close();
    this.#stored(
      name,
      begun(() => notes.delete(key)),
    );
    this.#options.onChange();
  }
}

/** What a storage that throws at once gives as well: nothing of what follows is to be kept from it. */
function begun(store: () => MaybePromise<void>): MaybePromise<void> {
  try {
    return store();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Where the schemas of an event type are remembered. */
function noteKey(name: string): string {
  return `event-type:${name}`;
}

/** Whether the events of this log are of the form the type has now. Arguments say nothing of events. */
function isFit({ epoch, ancestors = [] }: EventLog, { part, epoch: fit }: Ending): boolean {
  if (fit === undefined) return part === 'inputSchema';
  return epoch === fit || ancestors.some((ancestor) => ancestor.epoch === fit);
}

/** What a past has to be to stay outlasts a change of the arguments alone. */
function withEpoch(broken: BreakingChange, { epoch }: Ending = broken): Ending {
  return epoch === undefined ? broken : { ...broken, epoch };
}

function emittedFeed({ name, feed }: EventType): LogFeed | LiveFeed {
  if (feed instanceof LogFeed || feed instanceof LiveFeed) return feed;
  throw new TypeError(`${name} has a check: tell of losses and failures there, by truncated or by throwing`);
}
