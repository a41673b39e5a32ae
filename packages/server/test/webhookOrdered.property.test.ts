import { ORDERED_META_KEY } from '@mcp-events/protocol';
import type { StoredDeadLetter } from '@mcp-events/server';
import fc from 'fast-check';
import { it } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { Recorder } from './kit/recorder.ts';
import type { Answer, RecordedRequest } from './kit/recorder.ts';
import { counted } from './kit/servers.ts';
import { keptStorage, TestSubscriptionStore } from './kit/storage.ts';
import { WebhookTestServer } from './kit/webhookServer.ts';

const MINUTE_MS = 60_000;
const ATTEMPT_TIMEOUT_MS = 5_000;

type Step =
  | { readonly kind: 'emit'; readonly count: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] }
  | { readonly kind: 'release'; readonly status: number }
  | { readonly kind: 'refresh' }
  | { readonly kind: 'restart'; readonly killed: boolean };

const answer = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Answer>(204) },
  { weight: 3, arbitrary: fc.constantFrom<Answer>(500, 429, 'reset', 'hang') },
  { weight: 1, arbitrary: fc.constantFrom<Answer>(410, 413) },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('emit' as const), count: fc.integer({ min: 1, max: 12 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(0, 1_000, 6_000, MINUTE_MS) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('answers' as const),
      answers: fc.array(answer, { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), status: fc.constantFrom(204, 500) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('refresh' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), killed: fc.boolean() }) },
);

/** What one endpoint sees of one run of the server after the other, and what may not be seen by it. */
class Endpoint {
  readonly problems: string[] = [];
  /** Positions of events that were taken or refused for good. */
  readonly settled = new Set<number>();
  /** Everything up to here may be missing, and the endpoint or its client was told so. */
  toldUpTo = 0;
  readonly #clock: FakeClock;
  readonly #positions: ReadonlyMap<string, number>;
  /** Position of the last event of this run; -1 before the first. */
  #last = -1;
  /** The request that was not answered yet, and when it came. */
  #open: { readonly id: string | undefined; readonly atMs: number } | undefined;

  constructor(clock: FakeClock, positions: ReadonlyMap<string, number>) {
    this.#clock = clock;
    this.#positions = positions;
  }

  /** What was under way is cut off, and what was acknowledged but not stored may come again. */
  restarted(): void {
    this.#last = -1;
    this.#open = undefined;
  }

  took({ body, headers }: RecordedRequest): void {
    const nowMs = this.#clock.now();
    // Who does not answer in time is asked again; what it does then is its own.
    if (this.#open !== undefined && nowMs - this.#open.atMs < ATTEMPT_TIMEOUT_MS) {
      this.problems.push(`${headers['webhook-id']} came while ${this.#open.id} was not answered`);
    }
    this.#open = { id: headers['webhook-id'], atMs: nowMs };
    if (body.type === 'gap') {
      const upTo = positionIn(body.cursor);
      if (upTo < this.#last) this.problems.push(`a gap up to ${upTo} came after event ${this.#last}`);
      return;
    }
    const position = this.#positions.get(body.eventId) ?? Number.NaN;
    if (!(position >= this.#last)) this.problems.push(`event ${position} came after event ${this.#last}`);
    this.#last = position;
    for (let before = this.toldUpTo + 1; before < position; before++) {
      if (!this.settled.has(before))
        this.problems.push(`event ${position} came before ${before}, and nothing was told`);
    }
  }

  answered({ body }: RecordedRequest, how: Answer): void {
    this.#open = undefined;
    if (how !== 204 && how !== 410 && how !== 413) return;
    if (body.type === 'gap') this.toldUpTo = Math.max(this.toldUpTo, positionIn(body.cursor));
    if (body.type === undefined) this.settled.add(this.#positions.get(body.eventId) ?? Number.NaN);
  }
}

function positionIn(cursor: string): number {
  return Number(cursor.slice(cursor.lastIndexOf('.') + 1));
}

it('ORDER-05 ORDER-06 DELIV-08 ENV-03 shows an endpoint that asked for order nothing else, whatever it answers and however often the server restarts', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.infiniteStream(fc.nat()),
      fc.constantFrom(4, 64),
      fc.constantFrom(6, 10_000),
      async (steps, picks, outstandingPerSubscription, maxCount) => {
        const clock = new FakeClock();
        const store = new TestSubscriptionStore();
        const storage = keptStorage(clock);
        const recorder = new Recorder();
        const positions = new Map<string, number>();
        const endpoint = new Endpoint(clock, positions);
        let answers: readonly Answer[] = [204];
        let server = start();
        let handle = define();

        function start(): WebhookTestServer {
          return new WebhookTestServer(
            {
              store,
              retry: { attempts: 3, windowMs: 5 * MINUTE_MS, attemptTimeoutMs: ATTEMPT_TIMEOUT_MS },
              suspension: { minAttempts: 10 },
              limits: { outstandingPerSubscription },
            },
            { clock, storage },
            recorder,
          );
        }
        function define(): ReturnType<WebhookTestServer['events']['define']> {
          return server.events.define('counted', { ...counted, retention: { maxAgeMs: 1e9, maxCount } });
        }

        recorder.answer = (request) => {
          endpoint.took(request);
          const how = answers[(picks.next().value as number) % answers.length] as Answer;
          if (how !== 'hang') endpoint.answered(request, how);
          return how;
        };
        async function refresh(): Promise<void> {
          const result = await server.subscribe('counted', {
            ttlMs: 86_400_000,
            _meta: { [ORDERED_META_KEY]: true },
          });
          if (result.truncated === true) endpoint.toldUpTo = Math.max(endpoint.toldUpTo, positionIn(result.cursor));
        }
        function release(status: 204 | 500): void {
          for (const request of recorder.held) endpoint.answered(request, status);
          recorder.release(status);
        }

        try {
          await refresh();
          let emitted = 0;
          for (const action of steps) {
            if (action.kind === 'emit') {
              for (let n = 0; n < action.count; n++) {
                const eventId = `event-${++emitted}`;
                positions.set(eventId, emitted);
                await handle.emit({ n: emitted }, { eventId });
              }
            } else if (action.kind === 'pass') await clock.advance(action.ms);
            else if (action.kind === 'answers') answers = action.answers;
            else if (action.kind === 'refresh') await refresh();
            else if (action.kind === 'release') release(action.status === 204 ? 204 : 500);
            else {
              // A killed one does not come to store where it is.
              if (action.killed) store.failing.add('save');
              await server.close();
              store.failing.delete('save');
              recorder.release(204);
              await settle();
              endpoint.restarted();
              server = start();
              handle = define();
              await settle();
            }
            await settle(3);
          }
          // It recovers, and the client comes back: everything is settled or told then.
          answers = [204];
          for (let round = 0; round < 6; round++) {
            release(204);
            await refresh();
            await clock.advance(6 * MINUTE_MS);
          }
          for (const { eventId } of storage.deadLetters.find({}) as readonly StoredDeadLetter[]) {
            if ((positions.get(eventId) ?? 0) > endpoint.toldUpTo) endpoint.problems.push(`${eventId} was not told`);
          }
          for (let position = endpoint.toldUpTo + 1; position <= emitted; position++) {
            if (!endpoint.settled.has(position)) endpoint.problems.push(`event ${position} was lost`);
          }
          if (endpoint.problems.length > 0) throw new Error(endpoint.problems.slice(0, 5).join('\n'));
        } finally {
          await server.close();
        }
      },
    ),
    { numRuns: 40 },
  );
}, 120_000);
