import type { EventsError } from '@mcp-events/protocol';

const FINAL_NAMES: ReadonlySet<string> = new Set(['NotFound', 'Forbidden', 'Unsupported', 'InvalidParams']);

/** Whether an error of a source, or of `authorize`, says that the subscription cannot go on; any other is a failure it survives. */
export function isFinalError({ errorName }: EventsError): boolean {
  return FINAL_NAMES.has(errorName);
}
