import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/client';
import { eventsClientCapabilities, eventsTransport } from '@mcp-events/client';
import { createWebhookSecret, Methods, subscribeResultSchema } from '@mcp-events/protocol';
import { isAccepted, libraryNames } from './libraries.ts';
import type { SignedPost } from './libraries.ts';
import { startServer } from './server.ts';
import { createCertificate } from './support/certificate.ts';
import { listen } from './support/listen.ts';
import { loopbackEgress } from './support/loopbackEgress.ts';
import { Mailbox } from './support/mailbox.ts';
import type { Row } from './table.ts';

const CALLBACK_HOST = 'receiver.example';
const CALLBACK_PATH = '/hook';

/**
 * Everything the server posts, held against the published verifiers: bytes and headers as they came.
 *
 * @throws AssertionError if one of them disagrees
 */
export async function serverToLibraries(): Promise<Row[]> {
  const rows: Row[] = [];
  const cleanUp: (() => Promise<void>)[] = [];
  try {
    const posts = new Mailbox<SignedPost>();
    const answers: number[] = [];
    const certificate = await createCertificate(CALLBACK_HOST);
    const callback = await listen(async (request) => {
      if (new URL(request.url).pathname !== CALLBACK_PATH) return new Response(null, { status: 404 });
      const post = { headers: Object.fromEntries(request.headers), body: await request.text() };
      posts.put(post);
      const { type, challenge } = JSON.parse(post.body) as { type?: string; challenge?: string };
      return type === 'verification'
        ? Response.json({ challenge })
        : new Response(null, { status: answers.shift() ?? 204 });
    }, certificate);
    cleanUp.push(() => callback.close());
    const server = await startServer({
      egress: loopbackEgress(certificate),
      retry: { firstDelayMs: 1_500 },
      rotationGraceMs: 1_000,
    });
    cleanUp.push(() => server.close());
    const client = new Client(
      { name: 'standard-webhooks', version: '0.1.0' },
      { capabilities: eventsClientCapabilities, versionNegotiation: { mode: 'auto' } },
    );
    await client.connect(eventsTransport(server.url));
    cleanUp.push(() => client.close());

    const subscribe = (secret: string): Promise<unknown> =>
      client.request(
        {
          method: Methods.subscribe,
          params: {
            name: 'build.finished',
            delivery: { mode: 'webhook', url: `https://${CALLBACK_HOST}:${callback.port}${CALLBACK_PATH}`, secret },
          },
        },
        subscribeResultSchema,
      );
    /** Each library accepts the post under each of the secrets, and under no other. */
    const verify = (what: string, post: SignedPost, secrets: readonly string[]): void => {
      const verdicts = libraryNames.map((library) => {
        for (const secret of secrets) assert.ok(isAccepted(library, secret, post), `${library} refused: ${what}`);
        assert.ok(!isAccepted(library, createWebhookSecret(), post), `${library} accepted under any secret: ${what}`);
        return 'accepted';
      });
      const { length } = post.headers['webhook-signature']?.split(' ') ?? [];
      assert.equal(length, secrets.length, `signatures: ${what}`);
      rows.push([what, ...verdicts]);
    };

    const first = createWebhookSecret();
    await subscribe(first);
    verify('verification', await posts.take('the challenge'), [first]);

    await server.finished.emit({ build: 'b-1 – ✓' });
    const event = await posts.take('the event');
    verify('event', event, [first]);

    const tampered = { ...event, body: event.body.replace('b-1', 'b-2') };
    for (const library of libraryNames) assert.ok(!isAccepted(library, first, tampered), library);
    rows.push(['event, one byte changed', ...libraryNames.map(() => 'refused')]);

    answers.push(503);
    await server.finished.emit({ build: 'b-3' });
    const attempts = [await posts.take('the first attempt'), await posts.take('the second attempt')];
    verify('event, first attempt', attempts[0] as SignedPost, [first]);
    verify('event, second attempt', attempts[1] as SignedPost, [first]);
    assertRetry(attempts);

    const second = createWebhookSecret();
    await subscribe(second);
    await server.finished.emit({ build: 'b-4' });
    verify('event, two secrets', await posts.take('the event'), [second, first]);

    await server.finished.reportLoss();
    verify('gap', await posts.take('the gap'), [second, first]);

    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await server.finished.emit({ build: 'b-5' });
    verify('event, old secret gone', await posts.take('the event'), [second]);

    server.finished.remove();
    verify('terminated', await posts.take('the end'), [second]);
    return rows;
  } finally {
    for (const close of cleanUp.toReversed()) await close();
  }
}

/** What a verifier with replay protection relies on. */
function assertRetry([first, second]: readonly SignedPost[]): void {
  assert.equal(second?.body, first?.body);
  assert.equal(second?.headers['webhook-id'], first?.headers['webhook-id']);
  assert.notEqual(second?.headers['webhook-timestamp'], first?.headers['webhook-timestamp']);
  assert.notEqual(second?.headers['webhook-signature'], first?.headers['webhook-signature']);
}
