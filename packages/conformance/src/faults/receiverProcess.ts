// A receiver of webhooks without an events client, as a process of its own: a webhook inbox, and what reads it.
import { join } from 'node:path';
import { systemClock } from '@mcp-events/client';
import { fileInboxStore } from '@mcp-events/client/node';
import { WebhookInbox, WebhookReceiver } from '@mcp-events/client/receiver';
import type { AcceptResult, WebhookMessage } from '@mcp-events/client/receiver';
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
const endpoint = await CallbackEndpoint.listen(shell, receiver.handle);
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
    () => read(inbox, subscription, reader),
    (error) => !shell.stopping.signal.aborted && isPassing(error),
  );
  return keeper;
}

function received(keeper: Keeper, subscription: string, message: WebhookMessage): void {
  const { facts } = shell;
  if (message.kind === 'terminated') facts.complain(`${subscription} was terminated: ${message.error.message}`);
  else if (message.kind === 'gap') {
    facts.record({ fact: 'received', subscription, cursor: message.cursor, gap: true });
    keeper.received(message.cursor);
  } else {
    const { eventId, cursor } = message.event;
    facts.record({ fact: 'received', subscription, events: [eventId], cursor });
    keeper.received(cursor);
  }
}

/** @param reader what an acknowledgement that failed left in the application's hands: it comes again */
async function read(inbox: WebhookInbox, subscription: string, reader: { inHand: string }): Promise<void> {
  for await (const item of inbox) {
    if (item.kind === 'event') {
      const { eventId } = item.event;
      if (eventId !== reader.inHand) shell.facts.record({ fact: 'handed', subscription, eventId });
      reader.inHand = eventId;
    } else if (item.kind === 'gap' && item.cursor === null) {
      // What the server told was written down when it arrived; this was found here.
      shell.facts.record({ fact: 'received', subscription, cursor: null, gap: true, note: 'overdue' });
    }
  }
}
