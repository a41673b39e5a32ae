import { checkMembers, having, object, refuseUnknown } from '@mcp-events/protocol/options';
import { checkClock } from './clock.ts';
import type { TelemetryOptions } from './observability/telemetryOptions.ts';
import type { EventsOptions } from './options.ts';

const known: Readonly<Record<keyof EventsOptions, true>> = {
  principal: true,
  dialect: true,
  legacySessions: true,
  limits: true,
  heartbeatIntervalMs: true,
  reauthorizeIntervalMs: true,
  pageSize: true,
  storage: true,
  namespace: true,
  webhooks: true,
  logger: true,
  telemetry: true,
  onError: true,
  breakingChanges: true,
  onWarning: true,
  clock: true,
  randomId: true,
};

const types: Readonly<Partial<Record<keyof EventsOptions, 'boolean' | 'function' | 'string'>>> = {
  principal: 'function',
  legacySessions: 'boolean',
  namespace: 'string',
  randomId: 'function',
};

const apiOf = having(['createTraceState'], "the module: import * as api from '@opentelemetry/api'");

const telemetryMembers = {
  api: apiOf,
  tracerProvider: having(['getTracer']),
  meterProvider: having(['getMeter']),
};

const dialects: readonly unknown[] = ['auto', 'final', 'sketch'];

/** Throws a `TypeError` that names an option that does not exist, or has the wrong type: nobody would notice it before a request fails, or later. */
export function checkOptions(options: EventsOptions): void {
  object(options, 'the options of Events');
  refuseUnknown(options, Object.keys(known), 'the options of Events');
  const { telemetry } = options;
  if (telemetry !== undefined) {
    checkMembers<Required<TelemetryOptions>>(telemetry, telemetryMembers, 'telemetry', 'telemetry.');
    apiOf(telemetry.api, 'telemetry.api');
  }
  for (const [name, type] of Object.entries(types)) {
    const value: unknown = options[name as keyof EventsOptions];
    // oxlint-disable-next-line valid-typeof -- the type is one of three words
    if (value !== undefined && typeof value !== type) {
      throw new TypeError(`${name} must be a ${type}, not ${value === null ? 'null' : typeof value}`);
    }
  }
  const { dialect = 'auto', clock } = options;
  if (!dialects.includes(dialect)) {
    throw new TypeError(`dialect must be 'auto', 'final' or 'sketch', not ${JSON.stringify(dialect)}`);
  }
  if (clock !== undefined) checkClock(clock, 'clock');
}
