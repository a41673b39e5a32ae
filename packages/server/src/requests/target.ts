import { canonicalArguments, describeIssues, internalError, invalidParams, unsupported } from '@mcp-events/protocol';
import type { DeliveryMode } from '@mcp-events/protocol';
import type { CompiledType, EventType } from '../catalog/eventType.ts';
import { parseArguments } from '../catalog/parseArguments.ts';
import { SchemaViolation } from '../catalog/violations.ts';
import type { Caller } from '../context.ts';
import type { Core } from '../core.ts';
import { freezeJson } from '../occurrence/payload.ts';
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

/** What a request wants to subscribe to. */
export interface TargetRequest {
  readonly name: string;
  readonly arguments: Arguments;
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
async function resolveTarget(core: Core, mode: DeliveryMode, params: TargetRequest): Promise<Target> {
  // Not Forbidden: the client is to try again, here after a restart or elsewhere.
  if (core.closed) throw internalError('The server is shutting down');
  const type = core.catalog.require(params.name);
  const { compiled } = type;
  if (!compiled.descriptor.delivery.includes(mode)) throw unsupported('deliveryMode', { value: mode });
  const argumentsKey = canonicalArguments(params.arguments);
  // Author code is called with them for as long as the subscription lives, and they are its identity (SUB-03).
  const rawArguments = freezeJson(params.arguments);
  const parsed = await readArguments(core, type.name, compiled, rawArguments);
  return { type, compiled, rawArguments, arguments: parsed, argumentsKey };
}

async function readArguments(core: Core, name: string, compiled: CompiledType, args: Arguments): Promise<Arguments> {
  try {
    return await parseArguments(core, name, compiled, args);
  } catch (error) {
    if (error instanceof SchemaViolation) throw invalidParams(`arguments of ${name}: ${error.message}`);
    // Author code inside the schema threw. Its message is not for clients, and it has not accepted the arguments.
    core.report(error, 'input', name);
    throw invalidParams(`arguments of ${name} could not be read`);
  }
}

/** So often an author is asked about one request that an end overtakes. */
const MOST_OVERRULED = 3;

/** What one delivery mode does with its target. */
export interface Admission<T> {
  /** Id of the subscription, for the author's `authorize`. */
  idFor(target: Target): string;
  /** Registers it, so that whatever ends subscriptions from now on ends this one, too. */
  admit(target: Target, details: SubscriptionDetails): T;
}

/**
 * Finds the event type, checks mode and arguments, asks the author for permission, and admits. Asking takes time: what
 * changed, was withdrawn or was ended meanwhile is looked at anew, and the author asked again, since nobody could end a
 * subscription that was not registered yet (TERM-02, TERM-03, TERM-13). Between that look and `admit` there is no await.
 */
export async function admit<T>(
  core: Core,
  caller: Caller,
  mode: DeliveryMode,
  params: TargetRequest,
  admission: Admission<T>,
): Promise<T> {
  for (let overruled = 0; ;) {
    const target = await resolveTarget(core, mode, params);
    const details = subscriptionDetails(caller, target, mode, admission.idFor(target));
    const asking = core.admissions.begin(details);
    try {
      await core.lifecycle.authorize(target.compiled.definition, details);
    } finally {
      asking.close();
    }
    const { type, compiled } = target;
    const isCurrent = core.catalog.get(type.name) === type && type.compiled === compiled;
    if (isCurrent && !asking.isOverruled && !core.closed) return admission.admit(target, details);
    // Its author may end it each time that it is asked.
    if (asking.isOverruled && ++overruled === MOST_OVERRULED) {
      throw internalError('The subscription was ended while it was being made; the request can be repeated');
    }
  }
}

/** The subscription a caller asks for. It outlives the request, so it holds nothing of the request itself. */
function subscriptionDetails(
  { authInfo, clientInfo, principal }: Caller,
  target: Target,
  mode: DeliveryMode,
  id: string,
): SubscriptionDetails {
  const { type, rawArguments, argumentsKey } = target;
  const context = Object.freeze({ authInfo, clientInfo, principal, mode, subscriptionId: id });
  return { id, name: type.name, principal, rawArguments, arguments: target.arguments, argumentsKey, context };
}
