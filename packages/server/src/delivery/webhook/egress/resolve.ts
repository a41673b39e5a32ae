import { Resolver, lookup } from 'node:dns/promises';
import type { Clock } from '../../../clock.ts';
import type { MaybePromise } from '../../../maybePromise.ts';

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

/** Addresses of both families, IPv4 first: it works from everywhere. No answer when neither query has one. */
export async function queryBothFamilies(
  resolver: Pick<Resolver, 'resolve4' | 'resolve6'>,
  hostname: string,
): Promise<readonly string[]> {
  const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}

/**
 * The names strangers give, asked of the DNS alone. `getaddrinfo` would run on the thread pool, two calls at a time for
 * the whole process: a few names whose servers never answer would hold up every other look-up. Nor are the hosts file
 * and the search list of this machine for strangers.
 */
export function resolvePublicNames(clock: Clock): Resolve {
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
  return shareLookups(clock, (hostname) => queryBothFamilies(resolver, hostname));
}

/** The operator's own names, resolved as this machine resolves names: hosts file and search list included. */
export function resolveLocalNames(clock: Clock): Resolve {
  return shareLookups(clock, async (hostname) => {
    const answers = await lookup(hostname, { all: true });
    return answers.map(({ address }) => address);
  });
}
