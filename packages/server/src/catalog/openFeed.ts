import type { Environment } from '../environment.ts';
import { CheckFeed } from '../feed/checkFeed.ts';
import type { Feed } from '../feed/feed.ts';
import { LiveFeed } from '../feed/liveFeed.ts';
import { LogFeed } from '../feed/logFeed.ts';
import type { EventLog, Retention } from '../storage/eventLog.ts';
import type { AnyDefinition } from './definition.ts';
import type { CompiledType } from './eventType.ts';

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
  openLog: (retention: Retention) => EventLog,
  name: string,
  current: () => CompiledType,
  { definition, retention, rules }: CompiledType,
  onAdvanced: () => void,
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
    case 'log':
      return new LogFeed({
        log: openLog(retention),
        filter: rules.filter,
        clock,
        report: (error) => environment.report(error, 'storage', name),
        onAdvanced,
      });
  }
}
