import { EXTENSION_ID } from './identifiers.ts';
import { isJsonObject } from './schemas/json.ts';

/**
 * Which form of the wire a peer speaks. `final`: the extension key, codes -32023 to -32027, a `webhook-id` per message.
 * `sketch`: top-level `capabilities.events`, codes -32011 to -32015, `webhook-id` equal to the event id.
 */
export type Dialect = 'final' | 'sketch';

/** What a server declares about Events. */
export interface EventsCapability {
  /** The form of the declaration that was found (DIALECT-03). */
  dialect: Dialect;
  /** Whether the server sends `notifications/events/list_changed`; `false` when left out (CAP-02). */
  listChanged: boolean;
}

/**
 * The dialect of one request: `final` if and only if its client capabilities declare the extension with an object
 * as value (DIALECT-01, CAP-03). Anything else, malformed capabilities included, is a `sketch` peer.
 *
 * @param clientCapabilities the request's `_meta[CLIENT_CAPABILITIES_META_KEY]`, as received
 */
export function dialectOfRequest(clientCapabilities: unknown): Dialect {
  return declaredExtension(clientCapabilities) ? 'final' : 'sketch';
}

/**
 * Finds a server's Events declaration under either key (DIALECT-03). A server in compatibility mode declares both
 * (DIALECT-02); then the extension key wins.
 *
 * @param capabilities the `capabilities` of `server/discover` or `initialize`, as received
 * @returns `undefined` if the server offers no Events; the client then sends no `events/*` request (CAP-05)
 */
export function findEventsCapability(capabilities: unknown): EventsCapability | undefined {
  const final = declaredExtension(capabilities);
  if (final) return { dialect: 'final', listChanged: final['listChanged'] === true };
  const sketch = isJsonObject(capabilities) ? capabilities['events'] : undefined;
  if (isJsonObject(sketch)) return { dialect: 'sketch', listChanged: sketch['listChanged'] === true };
  return undefined;
}

function declaredExtension(capabilities: unknown): Record<string, unknown> | undefined {
  const extensions = isJsonObject(capabilities) ? capabilities['extensions'] : undefined;
  const settings = isJsonObject(extensions) ? extensions[EXTENSION_ID] : undefined;
  return isJsonObject(settings) ? settings : undefined;
}
