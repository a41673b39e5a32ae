import type { Environment } from '../environment.ts';
import { CheckFeed } from '../feed/checkFeed.ts';
import type { Feed } from '../feed/feed.ts';
import { LiveFeed } from '../feed/liveFeed.ts';
import { LogFeed } from '../feed/logFeed.ts';
import { defaultRetention } from '../log/eventLog.ts';
import type { EventStorage } from '../log/eventLog.ts';
import type { AnyDefinition } from './definition.ts';
import type { CompiledType } from './eventType.ts';

/** A log bounded by age or size alone still needs a number that its ring can be laid out for. */
const MAX_RETAINED = 10_000_000;

/** Where a type's events come from. */
export function sourceKind(definition: AnyDefinition): 'check' | 'live' | 'log' {
  if (definition.check !== undefined) return 'check';
  return definition.replay === false ? 'live' : 'log';
}

/**
 * Makes the feed a definition asks for. `current` gives the definition in force when the feed needs it later, since
 * additive changes keep the feed.
 */
export function openFeed(
  environment: Environment,
  storage: EventStorage,
  name: string,
  current: () => CompiledType,
  { definition, rules }: CompiledType,
): Feed {
  const { clock, limits } = environment;
  switch (sourceKind(definition)) {
    case 'check':
      return new CheckFeed({
        name,
        check: (context, args, cursor) => {
          const { check } = current().definition;
          if (check === undefined) throw new TypeError(`${name} has no check`);
          return check(context, args, cursor);
        },
        nextPollMs: () => current().nextPollMs,
        timeLimitMs: limits.checkMs,
        clock,
        validate: (data) => current().payload.validate(data),
        report: (error) => environment.report(error, 'check', name),
        maxPayloadBytes: limits.maxPayloadBytes,
        eventIdOf: environment.eventIdOf,
      });
    case 'live':
      return new LiveFeed(rules.filter, clock);
    case 'log': {
      const retention = { ...defaultRetention, ...definition.retention };
      for (const [bound, value] of Object.entries(retention)) {
        if (!(value >= 1))
          throw new TypeError(`retention.${bound} of event type ${JSON.stringify(name)} must be at least 1`);
      }
      if (!(Number.isInteger(retention.maxCount) && retention.maxCount <= MAX_RETAINED)) {
        throw new TypeError(
          `retention.maxCount of event type ${JSON.stringify(name)} must be a whole number up to ${MAX_RETAINED}`,
        );
      }
      return new LogFeed(storage.openLog(name, retention), rules.filter, clock);
    }
  }
}
