import type { StoredDeadLetter } from '@mcp-events/server';
import fc from 'fast-check';
import { it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import type { Answer, RecordedRequest } from './kit/recorder.ts';
import { Recorder } from './kit/recorder.ts';
import { counted } from './kit/servers.ts';
import { keptStorage, TestSubscriptionStore } from './kit/storage.ts';
import { FakeClock } from './kit/fakeClock.ts';
import { WebhookTestServer } from './kit/webhookServer.ts';

const MINUTE_MS = 60_000;

type Step =
  | { readonly kind: 'emit'; readonly count: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] }
  | { readonly kind: 'release'; readonly status: number }
  | { readonly kind: 'refresh' }
  | { readonly kind: 'restart' };

const answer = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Answer>(204) },
  { weight: 2, arbitrary: fc.constantFrom<Answer>(500, 429, 'reset', 'hang') },
  { weight: 1, arbitrary: fc.constant<Answer>(410) },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('emit' as const), count: fc.integer({ min: 1, max: 12 }) }) },
  {
    weight: 4,
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
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

/** Everything the endpoint and the client of one subscription saw, and what it obliges the server to. */
class Witness {
  /** Positions, which are numbers in this log, of events the endpoint took or refused. */
  readonly settled = new Set<number>();
  /** Where a loss was told: everything up to there counts as known to the client. */
  toldUpTo = 0;
  readonly problems: string[] = [];
  readonly #positionOf: (eventId: string) => number;

  constructor(positionOf: (eventId: string) => number) {
    this.#positionOf = positionOf;
  }

  /** The endpoint answered. A lost answer (hang, reset) obliges to nothing. */
  answered({ body }: RecordedRequest, how: Answer): void {
    if (typeof how !== 'number') return;
    const isFinal = how === 204 || how === 410;
    if (!isFinal) return;
    if (body.type === 'gap') this.told(body.cursor);
    else this.settled.add(this.#positionOf(body.eventId));
  }

  told(cursor: string): void {
    this.toldUpTo = Math.max(this.toldUpTo, positionIn(cursor));
  }

  /** A cursor that a client may keep: nothing up to it may be unsettled, unless given up. */
  cursor(cursor: string, deadLetters: ReadonlySet<number>, own?: number): void {
    for (let position = 1; position <= positionIn(cursor); position++) {
      if (position === own || this.settled.has(position) || deadLetters.has(position)) continue;
      this.problems.push(`cursor ${cursor} passes event ${position}, which is outstanding`);
    }
  }
}

function positionIn(cursor: string): number {
  return Number(cursor.slice(cursor.lastIndexOf('.') + 1));
}

it('DELIV-05 DELIV-08 DELIV-11 SUB-12 SUB-14 TTL-11 ORDER-03 lose nothing unsaid, and give out safe cursors only', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.infiniteStream(fc.nat()),
      async (steps, picks) => {
        const clock = new FakeClock();
        const store = new TestSubscriptionStore();
        const storage = keptStorage(clock);
        const recorder = new Recorder();
        const positions = new Map<string, number>();
        const witness = new Witness((eventId) => positions.get(eventId) ?? Number.NaN);
        /** Events that were dead letters at some time. */
        const given = new Set<number>();
        let answers: readonly Answer[] = [204];
        let server = start();
        let handle = define();

        function start(): WebhookTestServer {
          return new WebhookTestServer(
            {
              store,
              retry: { attempts: 3, windowMs: 5 * MINUTE_MS },
              suspension: { minAttempts: 10 },
              limits: { outstandingPerSubscription: 4 },
            },
            { clock, storage },
            recorder,
          );
        }
        function define(): ReturnType<WebhookTestServer['events']['define']> {
          return server.events.define('counted', { ...counted, retention: { maxAgeMs: 1e9 } });
        }
        function collect(): void {
          const letters = storage.deadLetters.find({}) as readonly StoredDeadLetter[];
          for (const { eventId } of letters) given.add(positions.get(eventId) ?? Number.NaN);
        }

        recorder.answer = (request) => {
          const how = answers[(picks.next().value as number) % answers.length] as Answer;
          collect();
          const own = request.body.type === undefined ? positions.get(request.body.eventId) : undefined;
          // A gap's cursor is where delivery goes on from: what it passes is what it tells.
          if (request.body.type !== 'gap') witness.cursor(request.body.cursor, given, own);
          witness.answered(request, how);
          return how;
        };
        async function refresh(): Promise<void> {
          const result = await server.subscribe('counted', { ttlMs: 86_400_000 });
          collect();
          witness.cursor(result.cursor, given);
          if (result.truncated === true) witness.told(result.cursor);
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
            else if (action.kind === 'restart') {
              collect();
              await server.close();
              server = start();
              handle = define();
              await settle();
            } else {
              const held = [...recorder.held];
              recorder.release(action.status);
              for (const request of held) witness.answered(request, action.status);
            }
            await settle(3);
          }
          // The endpoint recovers, and the client comes back: everything has to be settled or told then.
          answers = [204];
          for (let round = 0; round < 6; round++) {
            const held = [...recorder.held];
            recorder.release(204);
            for (const request of held) witness.answered(request, 204);
            await refresh();
            await clock.advance(6 * MINUTE_MS);
          }
          collect();
          for (let position = 1; position <= emitted; position++) {
            if (witness.settled.has(position)) continue;
            if (!given.has(position)) witness.problems.push(`event ${position} was lost`);
            else if (witness.toldUpTo < position)
              witness.problems.push(`event ${position} was given up, and nobody told`);
          }
          if (witness.problems.length > 0) throw new Error(witness.problems.slice(0, 5).join('\n'));
        } finally {
          await server.close();
        }
      },
    ),
    { numRuns: 40 },
  );
}, 120_000);
