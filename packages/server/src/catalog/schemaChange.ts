import { compareSchemas, isJsonObject, unsupported } from '@mcp-events/protocol';
import type { EventsError, JsonSchema } from '@mcp-events/protocol';

/** Which of a type's schemas changed incompatibly, as it is told to subscribers (TERM-03). */
export type BreakingPart = 'inputSchema' | 'payloadSchema';

/** What subscribers rely on of an event type. */
export interface TypeSchemas {
  readonly payloadSchema: JsonSchema;
  readonly inputSchema: JsonSchema;
}

/** What is still to be done about a breaking change, should this run not come to its end. */
export interface Ending extends BreakingChange {
  /** The past of the log that holds events of the new form, where the ones before are removed. */
  readonly epoch?: string;
}

/** What is remembered of an event type, for the next run. */
export interface RememberedType extends TypeSchemas {
  readonly ending?: Ending | undefined;
}

export function isRememberedType(value: unknown): value is RememberedType {
  if (!isJsonObject(value) || !isJsonObject(value['payloadSchema']) || !isJsonObject(value['inputSchema']))
    return false;
  const { ending } = value;
  if (ending === undefined) return true;
  if (!isJsonObject(ending)) return false;
  const { part, what, epoch } = ending;
  const isEpoch = epoch === undefined || typeof epoch === 'string';
  return (part === 'inputSchema' || part === 'payloadSchema') && typeof what === 'string' && isEpoch;
}

/** A change after which existing subscriptions have no valid contract any more. */
export interface BreakingChange {
  readonly part: BreakingPart;
  /** What changed, for the operator: members and keywords, no values of events. */
  readonly what: string;
}

/** Changes named in one message; the rest is noise. */
const MAX_NAMED_CHANGES = 3;
const MAX_NAMED_LENGTH = 200;

/** The first schema that changed so. A payload schema's change concerns what is stored as well. */
export function breakingChange(before: TypeSchemas, after: TypeSchemas): BreakingChange | undefined {
  for (const [part, role] of [
    ['payloadSchema', 'payload'],
    ['inputSchema', 'input'],
  ] as const) {
    const changes = compareSchemas(role, before[part], after[part]).filter((change) => change.breaking);
    if (changes.length === 0) continue;
    const named = changes.slice(0, MAX_NAMED_CHANGES).map(({ path, message }) => {
      const words = `${path === '' ? '' : `${path}: `}${message}`;
      return words.length > MAX_NAMED_LENGTH ? `${words.slice(0, MAX_NAMED_LENGTH)}...` : words;
    });
    const rest = changes.length - named.length;
    return { part, what: named.join('; ') + (rest > 0 ? `; and ${rest} more` : '') };
  }
  return undefined;
}

/** What subscribers are told of such a change (TERM-03). */
export function schemaChanged(part: BreakingPart): EventsError {
  return unsupported(part, { reason: 'schema_changed' });
}
