import type { WebhookReceiverDocument } from '@mcp-events/protocol';
import { methodNotAllowed } from './answers.ts';

/** Where servers look for the document, at the origin of the callback URL (VERIFY-11). */
export const RECEIVER_DOCUMENT_PATH = '/.well-known/mcp-webhook-receiver.json';

/**
 * A handler for {@link RECEIVER_DOCUMENT_PATH} that says under which paths webhooks are welcome, so that servers need not
 * challenge each callback (RECV-09). Anybody may then have webhooks sent there: let only a receiver listen below them.
 *
 * @param prefixes paths such as `/hooks`; each covers itself and all below it (OP-25)
 * @throws TypeError if one does not begin with a slash
 */
export function receiverDocument(prefixes: readonly string[]): (request: Request) => Response {
  const wrong = prefixes.find((prefix) => !prefix.startsWith('/'));
  if (wrong !== undefined) throw new TypeError(`A path prefix must begin with "/", such as "/hooks"; got "${wrong}"`);
  const document: WebhookReceiverDocument = { receivers: [...prefixes] };
  return ({ method }) =>
    method === 'GET' || method === 'HEAD' ? Response.json(document) : methodNotAllowed('GET, HEAD');
}
