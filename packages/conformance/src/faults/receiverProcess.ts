// A receiver of webhooks without an events client, as a process of its own: a webhook inbox, and what reads it.
import { join } from 'node:path';
import { systemClock } from '@mcp-events/client';
import { fileInboxStore } from '@mcp-events/client/node';
import { WebhookInbox, WebhookReceiver } from '@mcp-events/client/receiver';
import type { AcceptResult, WebhookMessage } from '@mcp-events/client/receiver';
import { dataHash } from '../history/dataHash.ts';
import { CallbackEndpoint } from './callbackEndpoint.ts';
import { Keeper } from './keeper.ts';
import { isPassing } from './passingFailures.ts';
import { ProcessShell } from './processShell.ts';
import type { Kept, ReceiverConfig } from './receiverConfig.ts';
import { RecordedInboxStore } from './recordedInboxStore.ts';

const shell = await ProcessShell.start<ReceiverConfig>();
const { disk, kept } = shell.config;
const clock = shell.clock.applyTo(systemClock);
const receiver = new WebhookReceiver({ clock });
/** Events that were accepted by the message that is being handled, by subscription. */
const news = new Map<string, Set<string>>(kept.map(({ subscription }) => [subscription, new Set()]));
const endpoint = await CallbackEndpoint.listen(shell, async (request) => {
  const body = await request.clone().text();
  const response = await receiver.handle(request);
  if (response.ok) arrivedAgain(new URL(request.url).pathname.split('/').at(-1) ?? '', body);
  return response;
});
const keepers = await Promise.all(kept.map(keep));
await shell.hello(endpoint.port);
for (const keeper of keepers) void keeper.run();

async function keep(item: Kept): Promise<Keeper> {
  const { subscription, secret } = item;
  const { store, inbox } = await shell.insist(async () => {
    const opened = fileInboxStore(join(disk, `${subscription}.jsonl`));
    const recorded = new RecordedInboxStore(shell, subscription, opened);
    return { store: recorded, inbox: await WebhookInbox.open({ store: recorded, clock }) };
  }, isPassing);
  shell.beforeStop(() => inbox.close());
  const keeper = new Keeper(shell, item, () => store.pending);
  const accept = async (message: WebhookMessage): Promise<AcceptResult> => {
    const result = await inbox.accept(message);
    if (result === 'accepted') received(keeper, subscription, message);
    return result;
  };
  const callback = receiver.register({ path: keeper.path, secret, accept, repeated: inbox.accept });
  keeper.onSubscribed = (id) => callback.bind(id);
  const reader = { inHand: '' };
  void shell.insist(
    () => read(inbox, keeper, reader),
    (error) => !shell.stopping.signal.aborted && isPassing(error),
  );
  return keeper;
}

function received(keeper: Keeper, subscription: string, message: WebhookMessage): void {
  const { facts } = shell;
  if (message.kind === 'terminated') return;
  if (message.kind === 'gap') {
    facts.record({ fact: 'received', subscription, cursor: message.cursor, gap: true });
    keeper.received(message.cursor);
  } else {
    const { eventId, cursor, data } = message.event;
    news.get(subscription)?.add(eventId);
    facts.record({ fact: 'received', subscription, events: [eventId], hashes: [dataHash(data)], cursor });
    keeper.received(cursor);
  }
}

/** What the receiver knew already never gets as far as the inbox, but arrived all the same. */
function arrivedAgain(subscription: string, body: string): void {
  const { eventId, data } = JSON.parse(body) as { eventId?: unknown; data?: unknown };
  if (typeof eventId !== 'string' || news.get(subscription)?.delete(eventId) !== false) return;
  shell.facts.record({ fact: 'received', subscription, events: [eventId], hashes: [dataHash(data)], note: 'again' });
}

/** @param reader what an acknowledgement that failed left in the application's hands: it comes again */
async function read(inbox: WebhookInbox, keeper: Keeper, reader: { inHand: string }): Promise<void> {
  const subscription = keeper.path;
  for await (const item of inbox) {
    if (keeper.isOver) return;
    if (item.kind === 'event') {
      const { eventId, data } = item.event;
      if (eventId !== reader.inHand) {
        shell.facts.record({ fact: 'handed', subscription, eventId, hash: dataHash(data) });
      }
      reader.inHand = eventId;
    } else if (item.kind === 'terminated') keeper.terminated(item.error);
    else if (item.cursor === null) {
      // What the server told was written down when it arrived; this was found here.
      shell.facts.record({ fact: 'received', subscription, cursor: null, gap: true, note: 'overdue' });
    }
  }
}
