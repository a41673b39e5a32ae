import type { WebhookReceiverDocument } from '@mcp-events/protocol';
import { wrongValue } from '@mcp-events/protocol/options';
import { methodNotAllowed } from './answers.ts';

/** Where servers look for the document, at the origin of the callback URL (VERIFY-11). */
export const RECEIVER_DOCUMENT_PATH = '/.well-known/mcp-webhook-receiver.json';

/**
 * A handler for {@link RECEIVER_DOCUMENT_PATH} that says under which paths webhooks are welcome, so that servers need not
 * challenge each callback (RECV-09). Anybody may then have webhooks sent there: let only a receiver listen below them.
 *
 * @param prefixes paths such as `/hooks`; each covers itself and all below it (OP-25)
 * @throws TypeError if they are no array, or one does not begin with a slash
 */
export function receiverDocument(prefixes: readonly string[]): (request: Request) => Response {
  if (!Array.isArray(prefixes)) throw wrongValue('the prefixes of receiverDocument', 'an array of paths', prefixes);
  for (const prefix of prefixes as unknown[]) {
    if (typeof prefix === 'string' && prefix.startsWith('/')) continue;
    throw wrongValue('a path prefix', 'a text that begins with "/", such as "/hooks"', prefix);
  }
  const document: WebhookReceiverDocument = { receivers: [...prefixes] };
  return ({ method }) =>
    method === 'GET' || method === 'HEAD' ? Response.json(document) : methodNotAllowed('GET, HEAD');
}
