// The AI SDK as it is published, against a server with the Events extension: run by `npm run verify`.
import assert from 'node:assert/strict';
import { createMCPClient } from '@ai-sdk/mcp';
import { Application, CALLBACK_PATH } from './application.ts';
import { startServer } from './server.ts';
import { SubscriptionStore } from './subscriptionStore.ts';
import { createCertificate } from './support/certificate.ts';
import { listen } from './support/listen.ts';
import { loopbackEgress } from './support/loopbackEgress.ts';
import { step, tell } from './support/story.ts';

const CALLBACK_HOST = 'app.example';
const TOKEN = 'token-of-alice';

await tell('The AI SDK subscribes to comments and receives them by webhook', async (cleanUp) => {
  const store = new SubscriptionStore();
  const application = new Application(store);
  const { comments, gaps, ends, posts } = application;
  const certificate = await createCertificate(CALLBACK_HOST);
  const callback = await listen(application.receive, certificate);
  cleanUp.push(() => callback.close());

  const server = await startServer(new Map([[TOKEN, 'alice']]), {
    egress: loopbackEgress(certificate),
    retry: { firstDelayMs: 100 },
  });
  cleanUp.push(() => server.close());

  const transport = { type: 'http', url: server.url, headers: { Authorization: `Bearer ${TOKEN}` } } as const;
  const client = await createMCPClient({ transport, experimental_events: { store } });
  cleanUp.push(() => client.close());
  const events = client.experimental_events;

  const subscribe = (args: { document: string }): ReturnType<typeof events.subscribe> =>
    events.subscribe({
      name: 'comment.created',
      arguments: args,
      delivery: { mode: 'webhook', url: `https://${CALLBACK_HOST}:${callback.port}${CALLBACK_PATH}` },
    });

  await step('it negotiates protocol version 2026-07-28 and finds capabilities.events', () => {
    assert.equal(client.initializeResult.protocolVersion, '2026-07-28');
    assert.ok(client.initializeResult.capabilities.events);
  });

  await step('it lists the event types', async () => {
    const { events: types } = await events.list();
    assert.deepEqual(
      types.map(({ name, delivery }) => [name, ...delivery]),
      [['comment.created', 'poll', 'push', 'webhook']],
    );
  });

  await step('it subscribes, and its webhook handler answers the challenge', async () => {
    const result = await subscribe({ document: 'plan' });
    assert.equal((await posts.take('the challenge')).status, 200);
    assert.ok(result.id.length > 0 && Date.parse(result.refreshBefore ?? '') > Date.now());
    assert.equal(result.truncated, false);
    assert.deepEqual(
      store.records.map(({ id, status }) => ({ id, status })),
      [{ id: result.id, status: 'active' }],
    );
  });
  const known = (): (typeof store.records)[number] => {
    const [record] = store.records;
    assert.ok(record?.id !== undefined);
    return record;
  };

  await step('a comment arrives with webhook-id equal to eventId, and its cursor is stored', async () => {
    const before = known().cursor;
    await server.comments.emit({ document: 'plan', text: 'first' }, { eventId: 'comment-1' });
    assert.equal(await comments.take('the comment'), 'first');
    assert.deepEqual(await posts.take('the POST'), { webhookId: 'comment-1', status: 204 });
    assert.notEqual(known().cursor, before);
  });

  await step('comments on other documents do not arrive', async () => {
    await server.comments.emit({ document: 'budget', text: 'not for this subscription' });
    await server.comments.emit({ document: 'plan', text: 'second' }, { eventId: 'comment-2' });
    assert.equal(await comments.take('the comment'), 'second');
    assert.equal((await posts.take('the POST')).webhookId, 'comment-2');
  });

  await step('an event whose answer got lost is sent again, and the application knows it by its id', async () => {
    application.failAfterNextComment = true;
    await server.comments.emit({ document: 'plan', text: 'third' }, { eventId: 'comment-3' });
    assert.deepEqual(await posts.take('the first attempt'), { webhookId: 'comment-3', status: 503 });
    assert.deepEqual(await posts.take('the second attempt'), { webhookId: 'comment-3', status: 204 });
    assert.equal(await comments.take('the comment'), 'third');
    assert.equal(comments.size, 0);
  });

  await step('a refresh prolongs the same subscription without another challenge', async () => {
    const { id, key, refreshBefore } = known();
    const result = await events.refresh({ key });
    assert.equal(result.id, id);
    assert.ok(Date.parse(result.refreshBefore ?? '') >= Date.parse(refreshBefore ?? ''));
    assert.ok(await posts.isQuiet());
  });

  await step('a gap is told, and delivery goes on', async () => {
    await server.comments.reportLoss();
    const cursor = await gaps.take('the gap');
    assert.equal((await posts.take('the POST')).status, 204);
    assert.deepEqual([known().cursor, known().truncated], [cursor, true]);
    await server.comments.emit({ document: 'plan', text: 'fourth' });
    assert.equal(await comments.take('the comment'), 'fourth');
    assert.equal((await posts.take('the POST')).status, 204);
  });

  await step('when access is withdrawn it is told with the number it knows, and forgets the subscription', async () => {
    await server.revoke('alice');
    assert.equal(await ends.take('the end'), -32012);
    assert.equal((await posts.take('the POST')).status, 204);
    assert.equal(store.records.length, 0);
  });

  await step('a refused subscription stays in its store as pending; unsubscribing by key clears it', async () => {
    await assert.rejects(subscribe({ document: 'plan' }), { code: -32012 });
    const [pending] = store.records;
    assert.equal(pending?.status, 'pending');
    // The server knows nothing of it. An error would keep the record for ever.
    await events.unsubscribe({ key: pending.key });
    assert.equal(store.records.length, 0);
    server.grant('alice');
  });

  await step('after unsubscribing nothing arrives', async () => {
    const { id } = await subscribe({ document: 'plan' });
    assert.equal((await posts.take('the challenge')).status, 200);
    await events.unsubscribe({ id });
    await server.comments.emit({ document: 'plan', text: 'nobody listens' });
    assert.ok(await posts.isQuiet());
    assert.equal(store.records.length, 0);
  });

  await step('in a session opened with initialize it finds the same events', async () => {
    const old = await createMCPClient({ transport, protocolVersionDiscovery: false });
    cleanUp.push(() => old.close());
    assert.equal(old.initializeResult.protocolVersion, '2025-11-25');
    const { events: listed } = await old.experimental_events.list();
    assert.deepEqual(
      listed.map(({ name }) => name),
      ['comment.created'],
    );
  });
});
