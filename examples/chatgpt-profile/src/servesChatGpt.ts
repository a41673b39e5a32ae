import assert from 'node:assert/strict';
import { isSigned } from './callback.ts';
import { McpClient } from './mcpClient.ts';
import type { Subscriber } from './subscriber.ts';
import { step } from './support/story.ts';
import { DAY_MS } from './workbench.ts';
import type { Workbench } from './workbench.ts';

/** What the guide asks of a server, from discovery to the rotation of a secret. */
export async function servesChatGpt(workbench: Workbench, chat: Subscriber): Promise<void> {
  const { client, callback } = chat;
  const { posts } = callback;
  const { post } = workbench;

  await step('server/discover shows protocol 2026-07-28 and capabilities.events', async () => {
    const { supportedVersions, capabilities } = await client.request('server/discover');
    assert.ok(supportedVersions.includes('2026-07-28'));
    assert.equal(typeof capabilities.events, 'object');
  });

  await step('events/list has name, description, webhook delivery and both schemas', async () => {
    const { events, nextCursor } = await client.request('events/list');
    assert.equal(nextCursor, undefined);
    const [type] = events;
    assert.equal(type.name, 'message.created');
    assert.ok(type.description.length > 0 && type.delivery.includes('webhook'));
    assert.deepEqual(type.inputSchema.required, ['channel_id']);
    assert.deepEqual(type.payloadSchema.required, ['channel_id', 'text']);
  });

  await step('what is wrong is refused with the numbers of the draft it follows', async () => {
    await assert.rejects(chat.subscribe({ name: 'message.deleted' }), { code: -32011, data: { kind: 'event' } });
    await assert.rejects(chat.subscribe({ arguments: {} }), { code: -32602 });
    const delivery = { mode: 'webhook', url: chat.url, secret: 'whsec_c2hvcnQ=' };
    await assert.rejects(chat.subscribe({ delivery }), { code: -32602 });
    const stranger = new McpClient(client.url, { token: 'unknown', name: 'stranger', capabilities: {} });
    await assert.rejects(stranger.request('events/list'), /HTTP 401/);
  });

  await step('a callback that does not echo the challenge gets no subscription', async () => {
    callback.consents = false;
    await assert.rejects(chat.subscribe(), { code: -32015, data: { reason: 'challenge_failed' } });
    assert.equal((await posts.take('the challenge')).kind, 'verification');
    callback.consents = true;
  });

  const granted = await chat.subscribe();
  await step('subscribing challenges the callback once, and grants a day', async () => {
    const { kind, headers } = await posts.take('the challenge');
    assert.equal(kind, 'verification');
    assert.equal(headers.get('x-mcp-subscription-id'), granted.id);
    assert.ok(Date.parse(granted.refreshBefore) > Date.now() + DAY_MS - 60_000);
    assert.deepEqual([typeof granted.cursor, granted.truncated], ['string', false]);
  });

  await step('an event is one signed POST, and its webhook-id is the eventId', async () => {
    await workbench.server.messages.emit({ channel_id: 'random', text: 'for others' });
    await post('hello', 'message-1');
    const { kind, headers, message } = await posts.take('the event');
    assert.equal(kind, 'event');
    assert.deepEqual(Object.keys(message).toSorted(), ['_meta', 'cursor', 'data', 'eventId', 'name', 'timestamp']);
    assert.deepEqual(message.data, { channel_id: 'general', text: 'hello' });
    assert.equal(headers.get('webhook-id'), 'message-1');
    assert.equal(headers.get('x-mcp-subscription-id'), granted.id);
    assert.equal(headers.get('authorization'), null);
  });

  await step('a failed delivery comes again: same bytes, same id, fresh timestamp and signature', async () => {
    callback.answers.push(503);
    await post('try again', 'message-2');
    const [first, second] = [await posts.take('the first attempt'), await posts.take('the second attempt')];
    assert.deepEqual([first.status, second.status], [503, 200]);
    assert.equal(second.body, first.body);
    assert.equal(second.headers.get('webhook-id'), first.headers.get('webhook-id'));
    assert.notEqual(second.headers.get('webhook-timestamp'), first.headers.get('webhook-timestamp'));
    assert.notEqual(second.headers.get('webhook-signature'), first.headers.get('webhook-signature'));
  });

  await step('410 and 413 refuse one event for good, and the next one comes', async () => {
    callback.answers.push(410, 413);
    for (const text of ['unwanted', 'too large for me', 'welcome']) {
      await post(text);
      assert.equal((await posts.take('the event')).message.data.text, text);
    }
    assert.ok(await posts.isQuiet(2_000), 'a refused event came again');
  });

  await step('a refresh prolongs the same subscription without another challenge', async () => {
    const refreshed = await chat.subscribe();
    assert.equal(refreshed.id, granted.id);
    assert.ok(Date.parse(refreshed.refreshBefore) > Date.parse(granted.refreshBefore));
    assert.ok(await posts.isQuiet());
  });

  await step('a refresh with a new secret: deliveries are signed with both for a while', async () => {
    callback.rotate();
    await chat.subscribe();
    await post('signed twice');
    const { headers, body } = await posts.take('the event');
    assert.deepEqual(
      callback.secrets.map((secret) => isSigned(secret, headers, body)),
      [true, true],
    );
  });
}
