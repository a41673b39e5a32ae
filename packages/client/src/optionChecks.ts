import {
  bool,
  type Check,
  type Checks,
  checkMembers,
  count,
  func,
  having,
  isPromise,
  numberOf,
  object,
  oneOf,
  schemaMistake,
  text,
  textOrNull,
  wrongValue,
} from '@mcp-events/protocol/options';
import type { BackoffOptions } from './backoff.ts';
import { checkClock } from './clock.ts';
import { checkWebhookOptions } from './delivery/webhook/webhookOptions.ts';
import type { EventsClientOptions, SubscribeOptions } from './options.ts';

/** A wait that has an end. */
const intervalMs: Check = numberOf({ least: 1 });
const durationOrZeroMs: Check = numberOf({ least: 0 });

const store: Check = having(['load', 'save', 'delete', 'list'], 'such as memoryStore() or fileStore(path) makes');

const clientOptions: Checks<Required<EventsClientOptions>> = {
  store,
  acceptSketch: bool,
  webhook: checkWebhookOptions,
  onEventTypesChanged: func,
  onWarning: func,
  pollFloorMs: intervalMs,
  heartbeatIntervalMs: numberOf({ least: 1, unlimited: true }),
  maxBufferedEvents: count,
  maxBufferedBytes: count,
  backoff: (value, what) => {
    checkMembers<BackoffOptions>(value, { baseMs: intervalMs, maxMs: intervalMs }, what, `${what}.`);
  },
  clock: checkClock,
  random: func,
};

const subscribeOptions: Checks<Required<SubscribeOptions>> = {
  delivery: oneOf('webhook', 'push', 'poll'),
  from: textOrNull,
  maxAgeMs: durationOrZeroMs,
  maxEvents: count,
  longPollMs: durationOrZeroMs,
  ordered: bool,
  payload: payloadSchema,
  filter: func,
  onGap: func,
  onError: func,
  onDeliveryStatus: func,
  onTerminated: func,
  onStatus: func,
  signal: having(['addEventListener', 'removeEventListener'], 'an AbortSignal; of an AbortController, give its signal'),
};

const optionNames = Object.keys(subscribeOptions);

/** @throws TypeError that names the option, what it may be and what was given */
export function assertClientOptions(options: EventsClientOptions): void {
  checkMembers(options, clientOptions, 'the options of EventsClient');
}

/** @throws TypeError for what is neither a client of the SDK nor a function */
export function assertClientSource(source: unknown): void {
  if (typeof source === 'function') return;
  const { connect, close } = (source ?? {}) as { connect?: unknown; close?: unknown };
  if (typeof source === 'object' && typeof connect === 'function' && typeof close === 'function') return;
  throw wrongValue(
    'the first argument of EventsClient',
    'a connected Client of @modelcontextprotocol/client, or a function that makes one each time it is called (for a URL: new StreamableHTTPClientTransport(url) or eventsTransport(url), given to its connect())',
    source,
  );
}

/** @throws TypeError that names the option, what it may be and what was given */
export function assertListOptions(options: unknown): void {
  checkMembers<{ refresh?: boolean }>(options, { refresh: bool }, 'the options of list()');
}

/** @throws TypeError that names the argument or option, what it may be and what was given */
export function assertSubscription(name: unknown, args: unknown, options: SubscribeOptions): void {
  text(name, 'the name of the event type');
  object(args, 'the arguments of a subscription');
  for (const [member, value] of Object.entries(args as object)) {
    // What cannot be an argument, and is an option mostly.
    if (typeof value !== 'function' && !(value instanceof AbortSignal) && !isPromise(value)) continue;
    const hint = optionNames.includes(member) ? `; ${OPTIONS_COME_THIRD}` : '';
    throw wrongValue(`${member} of the arguments of a subscription`, `a JSON value${hint}`, value);
  }
  assertSubscribeOptions(options);
}

const OPTIONS_COME_THIRD = 'options are the third argument, as in subscribe(name, {}, { delivery: "poll" })';

/**
 * Options that were given in the place of arguments would be ignored by a server that takes any.
 *
 * @param schema of the arguments, as the server tells it
 * @throws TypeError if all arguments have names of options, and none is one of the type's
 */
export function assertNoOptions(args: Readonly<Record<string, unknown>>, schema: unknown): void {
  const { properties } = (schema ?? {}) as { properties?: unknown };
  const declared = typeof properties === 'object' && properties !== null ? properties : {};
  const names = Object.keys(args);
  if (names.length === 0 || names.some((name) => !optionNames.includes(name) || Object.hasOwn(declared, name))) return;
  throw new TypeError(
    `the arguments of the subscription (${names.join(', ')}) have the names of options, and the event type knows none of them: ${OPTIONS_COME_THIRD}. Where they are arguments, give options as well, as in subscribe(name, args, {})`,
  );
}

/** @throws TypeError that names the option, what it may be and what was given */
function assertSubscribeOptions(options: SubscribeOptions): void {
  checkMembers(options, subscribeOptions, 'the options of a subscription');
}

/** @throws TypeError as for a subscription, and for `from`: the position is the one of the store */
export function assertResumeOptions(options: SubscribeOptions): void {
  const { from: _from, ...rest } = subscribeOptions;
  checkMembers<Omit<Required<SubscribeOptions>, 'from'>>(options, rest, 'what optionsFor returned');
}

function payloadSchema(value: unknown, what: string): void {
  const mistake = schemaMistake(value);
  const expected = 'a schema that follows Standard Schema, such as z.object({ id: z.string() })';
  if (mistake !== undefined) throw new TypeError(`${what} must be ${expected}, ${mistake}`);
  const standard = (value as { '~standard'?: { validate?: unknown } } | null)?.['~standard'];
  if (typeof standard?.validate !== 'function') throw wrongValue(what, expected, value);
}
