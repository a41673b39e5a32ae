import { dataHash } from '../history/dataHash.ts';
import type { EmittingFact } from '../history/facts.ts';
import type { Severity } from './eventSources.ts';

/** Who is served. */
export const PRINCIPALS = ['alice', 'bob', 'carol'] as const;

/** One event as its author has it. */
export interface AuthoredEvent {
  readonly eventId: string;
  readonly severity: Severity;
  /** The principals of this tenant may see it; all, without one. */
  readonly tenant?: string;
  /** Text that makes it long. */
  readonly padding?: string;
  /** What subscriptions may choose by beside the severity. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Which principals a tenant has. */
const TENANTS: Readonly<Record<string, readonly string[]>> = {
  north: ['alice'],
  south: ['bob', 'carol'],
};

export const TENANT_NAMES: readonly string[] = Object.keys(TENANTS);

/** The data of an event, as it is emitted. */
export function dataOf({ eventId, severity, tenant, padding = '' }: AuthoredEvent): AuthoredData {
  return { severity, text: `what ${eventId} tells${padding}`, ...(tenant === undefined ? {} : { tenant }) };
}

export type AuthoredData = Record<string, unknown> & { readonly severity: Severity; readonly text: string };

/** What an event type does with the data of its events. */
export interface Treatment {
  /** Only the principals of an event's tenant get it. */
  readonly isGuarded: boolean;
  /** Each principal gets a copy of its own: {@link redacted}. */
  readonly isRedacted: boolean;
}

/** What a history has to say of an event: whom it is for and with which data, said without the server's code. */
export function expectationOf(
  event: AuthoredEvent,
  { isGuarded, isRedacted }: Treatment,
): Pick<EmittingFact, 'values' | 'readers' | 'hash' | 'hashes'> {
  const data = dataOf(event);
  const readers = event.tenant === undefined || !isGuarded ? undefined : (TENANTS[event.tenant] ?? []);
  const copies = PRINCIPALS.map((principal) => [principal, dataHash(redacted(data, principal))] as const);
  return {
    values: { severity: event.severity },
    ...(readers === undefined ? {} : { readers }),
    hash: dataHash(data),
    ...(isRedacted ? { hashes: Object.fromEntries(copies) } : {}),
  };
}

/** The copy that a principal gets. */
export function redacted(data: Record<string, unknown>, principal: string | undefined): Record<string, unknown> {
  return { ...data, text: `for ${principal}` };
}

/** Whether an argument `severity` asks for that one. */
export function isWanted(wanted: unknown, severity: unknown): boolean {
  return wanted === undefined || (Array.isArray(wanted) ? wanted : [wanted]).includes(severity);
}

/** Whether a principal may see what is of a tenant. */
export function mayRead(principal: string | undefined, tenant: unknown): boolean {
  return typeof tenant !== 'string' || (TENANTS[tenant] ?? []).includes(principal ?? '');
}
