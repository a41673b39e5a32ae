/**
 * How schedules of the foreign world compose an option of the server: `varies`, so that seeds differ in it; `counted`, by the
 * kind of fault that shows it; or why no schedule needs another value than the one it has.
 */
export type Composed = 'varies' | { readonly counted: string } | { readonly because: string };

const because = (reason: string): Composed => ({ because: reason });
const counted = (kind: string): Composed => ({ counted: kind });

const SHAPE = because('what it bounds is refused before anything is promised');
const SPEED = because('it changes when something is sent, and no promise');
const CONSENT = because('endpoints are trusted here: consent comes before there is a subscription to follow');
const PASSED_IN = because('it is the world itself: time, chance, network or disk');
const SHOWN = because('it is shown to people and changes no delivery');

/** By the names that the server itself gives its options; a test compares both. */
export const COMPOSITION: Readonly<Record<string, Readonly<Record<string, Composed>>>> = {
  'the options of Events': {
    principal: because('callers come with one, or with none: `peers: anonymous`'),
    dialect: counted('peers: sketch'),
    legacySessions: because('it is of the transport, which is left out here'),
    limits: 'varies',
    heartbeatIntervalMs: SPEED,
    reauthorizeIntervalMs: because(
      'nobody here loses access but by an end: the world of clients has authors who decide on it',
    ),
    pageSize: SHOWN,
    storage: counted('storage: restored'),
    namespace: SHOWN,
    webhooks: 'varies',
    logger: counted('logger: throws'),
    telemetry: counted('tracer: throws'),
    onError: counted('onError: throws'),
    breakingChanges: because('definitions stay as they are in one run'),
    onWarning: because('nothing here is questionable'),
    clock: PASSED_IN,
    randomId: PASSED_IN,
  },
  limits: {
    subscriptionsPerPrincipal: SHAPE,
    subscriptions: 'varies',
    maxEventsPerPoll: because('polls ask for less'),
    defaultEventsPerPoll: because('polls ask for less'),
    maxPollHoldMs: because('polls ask for more and for less'),
    streamBufferBytes: 'varies',
    maxRequestBytes: SHAPE,
    maxPayloadBytes: SHAPE,
    payloadWarningBytes: SHOWN,
    checkMs: because('upstreams answer, or fail, in less'),
    hookMs: because('functions of authors take more and less, and never answer: `author: hangs`'),
  },
  webhooks: {
    allowedOrigins: CONSENT,
    reachableOrigins: CONSENT,
    allowUrl: CONSENT,
    confirm: CONSENT,
    receiverDocuments: CONSENT,
    ttl: because('clients ask for short and long ones, and for none'),
    retry: 'varies',
    suspension: 'varies',
    dropFailingAfterMs: because('a schedule is over before'),
    rotationGraceMs: because('schedules wait for more and for less'),
    limits: 'varies',
    tellAbandoned: because('without it nothing is promised'),
    signingKey: CONSENT,
    unknownUnsubscribe: because('it is for peers of the older dialect, whose subscriptions are not followed'),
    dialect: because('it is for peers of the older dialect, whose subscriptions are not followed'),
    ordered: 'varies',
    secretKeys: PASSED_IN,
    egress: PASSED_IN,
    random: PASSED_IN,
  },
  'webhooks.limits': {
    concurrency: SPEED,
    hostConcurrency: SPEED,
    principalConcurrency: SPEED,
    hostPerSecond: SPEED,
    principalPerSecond: SPEED,
    outstandingPerSubscription: 'varies',
    challengesPerHostPerMinute: CONSENT,
    challengesPerAddressPerMinute: CONSENT,
  },
  'webhooks.retry': {
    attempts: 'varies',
    windowMs: 'varies',
    attemptTimeoutMs: because('endpoints take more and less'),
    firstDelayMs: SPEED,
    maxDelayMs: 'varies',
  },
  'webhooks.suspension': { failureRate: SPEED, windowMs: SPEED, minAttempts: 'varies' },
  'webhooks.ttl': {
    defaultMs: because('clients always ask'),
    minMs: because('clients ask for more'),
    maxMs: because('clients ask for less'),
    noExpiry: because('clients ask for it, and do not'),
  },
  'event type': {
    description: SHOWN,
    input: 'varies',
    payload: 'varies',
    _meta: SHOWN,
    delivery: because('each mode is followed'),
    orderedWebhooks: 'varies',
    check: 'varies',
    replay: 'varies',
    retention: 'varies',
    filter: 'varies',
    match: 'varies',
    transform: because('copies are of the world of clients: `tenantSources.ts`'),
    authorize: because('who may see what is of the world of clients: `tenantSources.ts`'),
    discoverable: SHOWN,
    onSubscribe: because('hooks are of the world of clients: `tenantSources.ts`'),
    onUnsubscribe: because('hooks are of the world of clients: `tenantSources.ts`'),
    nextPollMs: SPEED,
    leaseMs: because('only hooks and places depend on a lease: a poll goes on from its cursor'),
  },
  retention: {
    maxAgeMs: because('what it removes is removed as by number, which varies'),
    maxCount: 'varies',
    maxBytes: because('what it removes is removed as by number, which varies'),
  },
};
