import { notFound, unsupported } from '@mcp-events/protocol';
import type { Core } from '../core.ts';
import { CheckFeed } from '../feed/checkFeed.ts';
import { LiveFeed } from '../feed/liveFeed.ts';
import { LogFeed } from '../feed/logFeed.ts';
import type { EventStorage } from '../log/eventLog.ts';
import type { EventsOptions } from '../options.ts';
import { breakingChange } from './catalog.ts';
import type { AnyDefinition, EventTypeDefinition } from './definition.ts';
import { Emitter } from './emitter.ts';
import type { EventHandle } from './eventHandle.ts';
import { compileType } from './eventType.ts';
import type { CompiledType, EventType } from './eventType.ts';
import { openFeed, sourceKind } from './openFeed.ts';

export interface EventTypesOptions {
  readonly core: Core;
  readonly storage: EventStorage;
  readonly onWarning: NonNullable<EventsOptions['onWarning']>;
  /** What the list shows has changed (LIST-09). */
  readonly onChange: () => void;
  /** A type is on offer, for the first time or again. */
  readonly onDefined: (type: EventType) => void;
}

/** Offers, changes and withdraws event types while the server runs. */
export class EventTypes {
  readonly #options: EventTypesOptions;

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
    let type = this.#open(name, this.#compile(name, definition as AnyDefinition));
    catalog.set(type);
    onChange();
    onDefined(type);
    const emitter = new Emitter(core, name, (message) => onWarning(message, { stage: 'emit', name }));
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
      reportFailure: (error) => emittedFeed(offered()).fail(error),
      update: (changed) => {
        type = this.#update(offered(), changed as AnyDefinition);
      },
      remove: () => {
        if (catalog.get(name) === type) this.#remove(type);
      },
    };
  }

  #compile(name: string, definition: AnyDefinition): CompiledType {
    return compileType(name, definition, this.#options.core.webhooks !== undefined);
  }

  #open(name: string, compiled: CompiledType): EventType {
    const { core, storage } = this.#options;
    const type: EventType = {
      name,
      compiled,
      feed: openFeed(core, storage, name, () => type.compiled, compiled),
      rules: () => type.compiled.rules,
      reportSelection: (error) => core.report(error, 'match or transform', name),
    };
    return type;
  }

  #update(type: EventType, definition: AnyDefinition): EventType {
    const { name } = type;
    const { catalog, registry } = this.#options.core;
    const compiled = this.#compile(name, definition);
    if (sourceKind(definition) !== sourceKind(type.compiled.definition)) {
      throw new TypeError(`event type ${JSON.stringify(name)} cannot change where its events come from`);
    }
    const broken = breakingChange(type.compiled, compiled);
    const modesGone = type.compiled.descriptor.delivery.filter((mode) => !compiled.descriptor.delivery.includes(mode));
    let changed = type;
    if (broken === undefined) {
      type.compiled = compiled;
      if (type.feed instanceof LogFeed || type.feed instanceof LiveFeed) type.feed.setFilter(compiled.rules.filter);
    } else {
      changed = this.#open(name, compiled);
      catalog.set(changed);
      registry.terminate({ name }, unsupported(broken, { reason: 'schema_changed' }));
      type.feed.close();
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
    const { catalog, registry } = this.#options.core;
    catalog.delete(name);
    registry.terminate({ name }, notFound('event', `The event type ${JSON.stringify(name)} was removed`));
    type.feed.close();
    this.#options.onChange();
  }
}

function emittedFeed({ name, feed }: EventType): LogFeed | LiveFeed {
  if (feed instanceof LogFeed || feed instanceof LiveFeed) return feed;
  throw new TypeError(`${name} has a check: tell of losses and failures there, by truncated or by throwing`);
}
