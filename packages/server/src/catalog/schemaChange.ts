import { compareSchemas, isBreaking, isJsonObject, unsupported } from '@mcp-events/protocol';
import type { EventsError, JsonSchema } from '@mcp-events/protocol';

/** Which of a type's schemas changed incompatibly, as it is told to subscribers (TERM-03). */
export type BreakingPart = 'inputSchema' | 'payloadSchema';

/** What subscribers rely on of an event type. */
export interface TypeSchemas {
  readonly payloadSchema: JsonSchema;
  readonly inputSchema: JsonSchema;
}

export function areTypeSchemas(value: unknown): value is TypeSchemas {
  return isJsonObject(value) && isJsonObject(value['payloadSchema']) && isJsonObject(value['inputSchema']);
}

/** The first schema that changed so that existing subscriptions have no valid contract any more. */
export function breakingChange(before: TypeSchemas, after: TypeSchemas): BreakingPart | undefined {
  if (isBreaking(compareSchemas('payload', before.payloadSchema, after.payloadSchema))) return 'payloadSchema';
  if (isBreaking(compareSchemas('input', before.inputSchema, after.inputSchema))) return 'inputSchema';
  return undefined;
}

/** What subscribers are told of such a change (TERM-03). */
export function schemaChanged(part: BreakingPart): EventsError {
  return unsupported(part, { reason: 'schema_changed' });
}
