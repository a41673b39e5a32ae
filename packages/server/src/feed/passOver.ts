import { internalError } from '@mcp-events/protocol';
import type { Gap } from '../occurrence/gap.ts';
import type { FeedReceiver } from './feed.ts';

/** Tells a receiver of a gap, and of the failure behind it where there is one: nothing of its cause, which is the operator's. */
export function passOver(receiver: FeedReceiver, { cursor, error }: Gap): void {
  if (error !== undefined)
    receiver.fail(internalError(`An event of ${receiver.subscription.name} cannot be delivered`));
  receiver.lose(cursor);
}
