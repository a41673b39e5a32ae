import { Resolver, lookup } from 'node:dns/promises';
import type { Clock } from '../../../clock.ts';
import type { MaybePromise } from '../../../maybePromise.ts';
import { isLocalFault } from './localFault.ts';

/**
 * The addresses of a host name, in the order they are to be tried. Asked at each attempt (SSRF-03); throws or answers
 * nothing when the name does not resolve.
 */
export type Resolve = (hostname: string) => MaybePromise<readonly string[]>;

/** How long an answer, or a failure, serves further attempts: thousands of deliveries per second to a host ask once. */
const ANSWER_TTL_MS = 1_000;

/** Two tries, about 3 s in all: an answer that comes later would be too late for its attempt. */
const QUERY_TIMEOUT_MS = 750;
const QUERY_TRIES = 2;

/** How long the machine's name servers are taken to be the same. */
const CONFIGURATION_TTL_MS = 10_000;

/** What c-ares says when no name server of this machine could be reached. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTINITIALIZED',
  'ELOADIPHLPAPI',
  'EADDRGETNETWORKPARAMS',
]);

/** What is asked of the name servers. */
export type NameServers = Pick<Resolver, 'resolve4' | 'resolve6'>;

/** Asks `lookup` once for simultaneous and closely following questions. */
export function shareLookups(clock: Clock, lookup: (hostname: string) => Promise<readonly string[]>): Resolve {
  const answers = new Map<string, MaybePromise<readonly string[]>>();
  return (hostname) => {
    const known = answers.get(hostname);
    if (known !== undefined) return known;
    const answer = lookup(hostname);
    answers.set(hostname, answer);
    const forgetLater = (): void => {
      clock.setTimeout(() => answers.delete(hostname), ANSWER_TTL_MS);
    };
    answer.then((addresses) => {
      answers.set(hostname, addresses);
      forgetLater();
    }, forgetLater);
    return answer;
  };
}

/**
 * Addresses of both families, IPv4 first: it works from everywhere. No answer when neither query has one; throws when that
 * is because this machine could not ask.
 */
export async function queryBothFamilies(resolver: NameServers, hostname: string): Promise<readonly string[]> {
  const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (addresses.length > 0) return addresses;
  for (const answer of answers) {
    if (answer.status === 'fulfilled') continue;
    const cause: unknown = answer.reason;
    if (isLocalFault(cause)) throw cause;
    if (!UNREACHABLE.has(String((cause as { readonly code?: unknown } | undefined)?.code))) continue;
    throw Object.assign(new Error('No name server answers', { cause }), { code: 'ENONAMESERVER' });
  }
  return addresses;
}

/**
 * The names strangers give, asked of the DNS alone. `getaddrinfo` would run on the thread pool, two calls at a time for
 * the whole process: a few names whose servers never answer would hold up every other look-up. Nor are the hosts file
 * and the search list of this machine for strangers.
 *
 * Which name servers to ask is read from the machine's configuration again and again, as it changes with networks (SSRF-12).
 */
export function resolvePublicNames(
  clock: Clock,
  createResolver: () => NameServers = () => new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES }),
): Resolve {
  let resolver: NameServers | undefined;
  let madeAtMs = 0;
  return shareLookups(clock, async (hostname) => {
    if (resolver === undefined || clock.monotonicMs() - madeAtMs >= CONFIGURATION_TTL_MS) {
      resolver = createResolver();
      madeAtMs = clock.monotonicMs();
    }
    const asked = resolver;
    try {
      return await queryBothFamilies(asked, hostname);
    } catch (error) {
      // Perhaps these are not the name servers of this machine any more.
      if (resolver === asked) resolver = undefined;
      throw error;
    }
  });
}

/** The operator's own names, resolved as this machine resolves names: hosts file and search list included. */
export function resolveLocalNames(clock: Clock): Resolve {
  return shareLookups(clock, async (hostname) => {
    const answers = await lookup(hostname, { all: true });
    return answers.map(({ address }) => address);
  });
}
