import type { EventsClientOptions, SubscribeOptions } from './options.ts';
import { assertCallbackBase } from './delivery/webhook/callback.ts';
import { assertWebhookOptions, type WebhookOptions } from './delivery/webhook/webhookOptions.ts';
import {
  assertBoolean,
  assertDuration,
  assertDurationOrInfinity,
  assertDurationOrZero,
  assertFunction,
  assertMethods,
  assertOneOf,
  assertOptions,
  assertPlainObject,
  assertPositiveInteger,
  assertText,
  assertTextOrNull,
} from './validation.ts';

/** @throws TypeError that names the option, what was given and what may be */
export function assertClientOptions(options: EventsClientOptions): void {
  assertPlainObject('The options of EventsClient', options);
  assertOptions('', options, {
    store: (name, value) => assertMethods(name, value, ['load', 'save', 'delete', 'list']),
    acceptSketch: assertBoolean,
    webhook: assertWebhook,
    onEventTypesChanged: assertFunction,
    onWarning: assertFunction,
    pollFloorMs: assertDuration,
    heartbeatIntervalMs: assertDurationOrInfinity,
    maxBufferedEvents: assertPositiveInteger,
    maxBufferedBytes: assertPositiveInteger,
    backoff: (name, value) => {
      assertPlainObject(name, value);
      assertOptions(`${name}.`, value as object, { baseMs: assertDuration, maxMs: assertDuration });
    },
    clock: (name, value) => assertMethods(name, value, ['now', 'setTimeout', 'clearTimeout']),
    random: assertFunction,
  });
}

function assertWebhook(name: string, value: unknown): void {
  assertPlainObject(name, value);
  const webhook = value as WebhookOptions;
  assertText(`${name}.url`, webhook.url);
  assertCallbackBase(webhook.url);
  assertWebhookOptions(webhook);
  assertOptions(`${name}.`, webhook, { createSecret: assertFunction });
}

/** @throws TypeError that names the argument or option, what was given and what may be */
export function assertSubscription(name: unknown, args: unknown, options: SubscribeOptions): void {
  assertText('The name of the event type', name);
  assertPlainObject('The arguments of a subscription', args);
  assertSubscribeOptions(options);
}

/** @throws TypeError that names the option, what was given and what may be */
export function assertSubscribeOptions(options: SubscribeOptions): void {
  assertPlainObject('The options of a subscription', options);
  assertOptions('', options, {
    delivery: (name, value) => assertOneOf(name, value, ['webhook', 'push', 'poll']),
    from: assertTextOrNull,
    maxAgeMs: assertDurationOrZero,
    maxEvents: assertPositiveInteger,
    longPollMs: assertDurationOrZero,
    payload: (name, value) => {
      const standard = (value as { '~standard'?: unknown } | null)?.['~standard'];
      assertMethods(`${name} (a schema that follows Standard Schema)`, standard, ['validate']);
    },
    filter: assertFunction,
    onGap: assertFunction,
    onError: assertFunction,
    onDeliveryStatus: assertFunction,
    onTerminated: assertFunction,
    onStatus: assertFunction,
    signal: (name, value) => assertMethods(name, value, ['addEventListener', 'removeEventListener']),
  });
}
