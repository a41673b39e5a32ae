import type { EventType } from '../catalog/eventType.ts';
import { parseArguments } from '../catalog/parseArguments.ts';
import { SchemaViolation } from '../catalog/violations.ts';
import { webhookContext } from '../context.ts';
import type { Core } from '../core.ts';
import type { Persistence } from '../delivery/webhook/persistence.ts';
import type { Webhooks } from '../delivery/webhook/webhooks.ts';
import { freezeJson } from '../occurrence/payload.ts';
import type { StoredSubscription } from '../storage/subscriptionStore.ts';
import type { Arguments } from '../subscription/subscription.ts';

/** A hook that is owed to an event type which was not offered for this long is not called any more: a week. */
const LONGEST_OWED_MS = 7 * 86_400_000;

/**
 * Calls `onUnsubscribe` for stored subscriptions that do not come back, where a run that did not end in order left it owed
 * (HOOK-03). Until their event type is offered their record stays, as one that has lapsed.
 */
export class OwedHooks {
  readonly #core: Core;
  readonly #webhooks: Webhooks;
  readonly #persistence: Persistence;
  /** By event type, then by id. */
  readonly #owed = new Map<string, Map<string, StoredSubscription>>();

  constructor(core: Core, webhooks: Webhooks, persistence: Persistence) {
    this.#core = core;
    this.#webhooks = webhooks;
    this.#persistence = persistence;
  }

  /** The subscription does not come back. Resolves with whether that is stored, when it is or has failed. */
  dispose(record: StoredSubscription): Promise<boolean> {
    const { name, id } = record;
    const nowMs = this.#core.clock.now();
    const lapsedAtMs = Math.min(record.refreshBeforeMs ?? nowMs, nowMs);
    if (record.owesUnsubscribe !== true || nowMs - lapsedAtMs > LONGEST_OWED_MS) {
      return this.#webhooks.forgetRecord(record);
    }
    const type = this.#core.catalog.get(name);
    if (type !== undefined) {
      void this.#call(type, record);
      return this.#webhooks.forgetRecord(record);
    }
    let ofType = this.#owed.get(name);
    if (ofType === undefined) this.#owed.set(name, (ofType = new Map()));
    ofType.set(id, record);
    if (lapsedAtMs === record.refreshBeforeMs) return Promise.resolve(true);
    return this.#persistence.keepEnded({ ...record, refreshBeforeMs: lapsedAtMs });
  }

  /** An event type is offered. */
  release(type: EventType): void {
    const ofType = this.#owed.get(type.name);
    this.#owed.delete(type.name);
    for (const record of ofType?.values() ?? []) {
      void this.#call(type, record);
      void this.#webhooks.forgetRecord(record);
    }
  }

  /** A new subscription has the place of this one: its own hook has been called, or is. */
  forget(name: string, id: string): void {
    this.#owed.get(name)?.delete(id);
  }

  async #call(type: EventType, { id, name, principal, arguments: rawArguments }: StoredSubscription): Promise<void> {
    const { definition } = type.compiled;
    const args = await this.#arguments(type, rawArguments);
    const context = webhookContext(principal, id);
    this.#core.lifecycle.end(definition, { name, context, arguments: args });
  }

  /** The hook is called whatever the schema does. */
  async #arguments(type: EventType, rawArguments: Arguments): Promise<Arguments> {
    try {
      return await readArguments(this.#core, type, rawArguments);
    } catch (error) {
      this.#core.report(error, 'input', type.name);
      return rawArguments;
    }
  }
}

/**
 * Arguments the present schema refuses stay as they are: what they matched they still match (TERM-04). Rejects when author code
 * within the schema throws, or does not answer in time: what they mean is not known then.
 */
export async function readArguments(
  core: Core,
  { name, compiled }: EventType,
  rawArguments: Arguments,
): Promise<Arguments> {
  freezeJson(rawArguments);
  try {
    return await parseArguments(core, name, compiled, rawArguments);
  } catch (error) {
    if (error instanceof SchemaViolation) return rawArguments;
    throw error;
  }
}
