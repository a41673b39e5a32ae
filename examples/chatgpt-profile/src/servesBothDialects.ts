import assert from 'node:assert/strict';
import type { Subscriber } from './subscriber.ts';
import { step } from './support/story.ts';
import type { Workbench } from './workbench.ts';

/** Two subscribers to the same events, each served in its dialect until the end. */
export async function servesBothDialects(workbench: Workbench, chat: Subscriber, sep: Subscriber): Promise<void> {
  const { posts } = chat.callback;
  const sepPosts = sep.callback.posts;
  const { post } = workbench;
  const { id } = await chat.subscribe();

  await step('a client of SEP-3415 subscribes to the same events at the same server', async () => {
    await assert.rejects(sep.subscribe({ name: 'message.deleted' }), { code: -32023, data: { kind: 'event' } });
    await assert.rejects(sep.unsubscribe(), { code: -32023, data: { kind: 'subscription' } });
    assert.notEqual((await sep.subscribe()).id, id);
    // Consent is given per principal and URL.
    assert.equal((await sepPosts.take('the challenge')).kind, 'verification');
  });

  await step('each gets the event in its own dialect', async () => {
    await post('for both', 'message-3');
    const [toChat, toSep] = [await posts.take('the event'), await sepPosts.take('the event')];
    assert.equal(toChat.headers.get('webhook-id'), 'message-3');
    assert.match(toSep.headers.get('webhook-id') ?? '', /^msg_event_/);
    assert.deepEqual(
      [toChat, toSep].map(({ message }) => message.eventId),
      ['message-3', 'message-3'],
    );
  });

  await step('a gap is told to both; ChatGPT refuses it, which holds nothing back', async () => {
    await workbench.server.messages.reportLoss();
    const attempts = [await posts.take('the gap')];
    await post('after the gap');
    assert.equal((await posts.take('the event')).message.data.text, 'after the gap');
    attempts.push(await posts.take('the gap'), await posts.take('the gap'));
    for (const { kind, status } of attempts) assert.deepEqual([kind, status], ['gap', 400]);
    assert.equal((await sepPosts.take('the gap')).kind, 'gap');
    assert.equal((await sepPosts.take('the event')).message.data.text, 'after the gap');
  });

  await step('what the refused gap could not tell, the next refresh tells; delivery was never suspended', async () => {
    const { deliveryStatus, truncated } = await chat.subscribe();
    assert.deepEqual([deliveryStatus.active, truncated], [true, true]);
  });

  await step('both subscriptions survive a restart of the server without subscribing again', async () => {
    await workbench.restart();
    await post('after the restart', 'message-4');
    assert.equal((await posts.take('the event')).headers.get('webhook-id'), 'message-4');
    assert.match((await sepPosts.take('the event')).headers.get('webhook-id') ?? '', /^msg_event_/);
    assert.equal((await chat.subscribe()).id, id);
  });

  await step('unsubscribing ends it at once; for ChatGPT, twice is as good as once', async () => {
    await chat.unsubscribe();
    await chat.unsubscribe();
    await post('nobody listens');
    await sepPosts.take('the event');
    assert.ok(await posts.isQuiet());
  });

  await step('withdrawn access is told in the numbers of each, and a new subscription refused', async () => {
    await workbench.server.revoke('bob');
    const end = await sepPosts.take('the end');
    assert.deepEqual([end.kind, end.message.error.code], ['terminated', -32024]);
    await assert.rejects(sep.subscribe(), { code: -32024 });

    await chat.subscribe();
    await workbench.server.revoke('alice');
    const refused = await posts.take('the end');
    assert.deepEqual([refused.kind, refused.message.error.code, refused.status], ['terminated', -32012, 400]);
    await assert.rejects(chat.subscribe(), { code: -32012 });
  });
}
