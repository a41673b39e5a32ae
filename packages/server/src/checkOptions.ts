import { refuseUnknown } from './knownMembers.ts';
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

const dialects: readonly unknown[] = ['auto', 'final', 'sketch'];

/** Throws a `TypeError` that names an option that does not exist, or has the wrong type: nobody would notice it before a request fails, or later. */
export function checkOptions(options: EventsOptions): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('the options must be an object');
  refuseUnknown(options, Object.keys(known), 'the options of Events');
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
  for (const name of ['now', 'setTimeout', 'clearTimeout', 'setImmediate'] as const) {
    if (clock === undefined || typeof (clock as Partial<typeof clock> | null)?.[name] === 'function') continue;
    throw new TypeError(
      `clock must have the functions now, setTimeout, clearTimeout and setImmediate; ${name} is none`,
    );
  }
}
