import { canonicalArguments, describeIssues, internalError, invalidParams, unsupported } from '@mcp-events/protocol';
import type { DeliveryMode } from '@mcp-events/protocol';
import type { CompiledType, EventType } from '../catalog/eventType.ts';
import type { Caller } from '../context.ts';
import type { Core } from '../core.ts';
import type { Arguments, SubscriptionDetails } from '../subscription/subscription.ts';

interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: unknown };
}

/** Reads request parameters, or throws InvalidParams that says which member is wrong (ERR-01, OP-17). */
export function parseParams<T>(schema: Schema<T>, params: unknown): T {
  const parsed = schema.safeParse(params ?? {});
  if (parsed.success) return parsed.data;
  throw invalidParams(describeIssues(parsed.error as Parameters<typeof describeIssues>[0]));
}

/** What a request wants to subscribe to, checked. */
export interface Target {
  readonly type: EventType;
  readonly compiled: CompiledType;
  readonly rawArguments: Arguments;
  readonly arguments: Arguments;
  readonly argumentsKey: string;
}

/**
 * Finds the event type and checks mode and arguments. Throws NotFound, Unsupported or InvalidParams (ERR-01, ERR-02,
 * ERR-05).
 */
export function resolveTarget(
  core: Core,
  mode: DeliveryMode,
  params: { readonly name: string; readonly arguments: Arguments },
): Target {
  // Not Forbidden: the client is to try again, here after a restart or elsewhere.
  if (core.closed) throw internalError('The server is shutting down');
  const type = core.catalog.require(params.name);
  const { compiled } = type;
  if (!compiled.descriptor.delivery.includes(mode)) throw unsupported('deliveryMode', { value: mode });
  const argumentsKey = canonicalArguments(params.arguments);
  let parsed: Arguments;
  try {
    parsed = compiled.input.parse(params.arguments);
  } catch (error) {
    throw invalidParams(`arguments of ${type.name}: ${(error as Error).message}`);
  }
  return { type, compiled, rawArguments: params.arguments, arguments: parsed, argumentsKey };
}

/** The subscription a caller asks for. It outlives the request, so it holds nothing of the request itself. */
export function subscriptionDetails(
  { authInfo, clientInfo, principal }: Caller,
  target: Target,
  mode: DeliveryMode,
  id: string,
): SubscriptionDetails {
  const { type, rawArguments, argumentsKey } = target;
  const context = { authInfo, clientInfo, principal, mode, subscriptionId: id };
  return { id, name: type.name, principal, rawArguments, arguments: target.arguments, argumentsKey, context };
}
