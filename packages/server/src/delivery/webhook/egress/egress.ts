import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { SecureContextOptions } from 'node:tls';
import type { Clock } from '../../../clock.ts';
import { isPromise } from '../../../maybePromise.ts';
import { withTimeLimit } from '../../../timeLimit.ts';
import { AddressPolicy } from './addressPolicy.ts';
import { Attempt } from './attempt.ts';
import type { AttemptContext } from './attempt.ts';
import { CallbackTargets } from './callbackTarget.ts';
import { Connections } from './connections.ts';
import { dialTcp } from './dial.ts';
import type { Dial } from './dial.ts';
import type { EgressRequest, EgressResult } from './egressRequest.ts';
import { isLocalFault, LocalFaults } from './localFault.ts';
import type { LocalFaultError } from './localFault.ts';
import { assertCanSend } from './runtime.ts';
import { resolveLocalNames, resolvePublicNames } from './resolve.ts';
import type { Resolve } from './resolve.ts';

export type { EgressRequest, EgressResult } from './egressRequest.ts';

const DEFAULT_MAX_SOCKETS_PER_ORIGIN = 64;

export interface EgressOptions {
  readonly clock: Clock;
  /** Replaces the resolvers of this machine; asked at every attempt. */
  readonly resolve?: Resolve | undefined;
  /** Replaces the opening of TCP connections. */
  readonly connect?: Dial | undefined;
  /** Certificate authorities to trust instead of the well-known ones. */
  readonly tls?: { readonly ca?: SecureContextOptions['ca'] } | undefined;
  /** Networks whose addresses lead to the IPv4 addresses in them. */
  readonly nat64Prefixes?: readonly string[] | undefined;
  /** Connections to one origin at a time; further requests wait within their time limit. 64 by default. */
  readonly maxSocketsPerOrigin?: number | undefined;
  /** Told of requests that could not be made for a reason that lies here, each kind at most once a minute. */
  readonly onLocalFault?: ((error: LocalFaultError) => void) | undefined;
}

interface InspectOptions {
  /** The operator lets the origin be at any address. */
  readonly trusted?: boolean;
  /** Gets the addresses, if they may be dialled. */
  readonly located?: (addresses: readonly string[]) => void;
}

/**
 * The one way out to addresses that strangers name: deliveries, challenges and well-known documents (VERIFY-08).
 *
 * At each request the host is resolved, every one of its addresses is checked, and the connection goes to an address of
 * that very answer (SSRF-02 to SSRF-04); a pooled connection too is used only while its address is among them.
 * Redirects are not followed (SSRF-05).
 */
export class Egress {
  readonly #clock: Clock;
  readonly #resolvePublic: Resolve;
  readonly #resolveTrusted: Resolve;
  readonly #policy: AddressPolicy;
  readonly #targets = new CallbackTargets();
  readonly #localFaults: LocalFaults;
  readonly #context: AttemptContext;

  /** Throws where the runtime cannot make guarded requests. */
  constructor(options: EgressOptions) {
    const { clock, resolve, connect, tls, nat64Prefixes, maxSocketsPerOrigin, onLocalFault = () => {} } = options;
    assertCanSend();
    this.#policy = new AddressPolicy(nat64Prefixes);
    this.#clock = clock;
    this.#localFaults = new LocalFaults(clock, onLocalFault);
    this.#resolvePublic = resolve ?? resolvePublicNames(clock);
    this.#resolveTrusted = resolve ?? resolveLocalNames(clock);
    const settings = { dial: connect ?? dialTcp, secureContext: createSecureContext({ ca: tls?.ca }) };
    const connections = new Connections(clock, settings, maxSocketsPerOrigin ?? DEFAULT_MAX_SOCKETS_PER_ORIGIN);
    this.#context = { clock, connections, localFaults: this.#localFaults };
  }

  /** Sends a request, once. Never rejects. */
  send(request: EgressRequest): Promise<EgressResult> {
    const target = this.#targets.get(request.url);
    if (target === undefined || !(request.trusted || target.isPublic)) {
      return Promise.resolve({ kind: 'failed', reason: 'blocked' });
    }
    return new Promise((settle) => {
      const attempt = new Attempt(this.#context, request, target, settle);
      try {
        const resolve = request.trusted ? this.#resolveTrusted : this.#resolvePublic;
        const answer = target.address === undefined ? resolve(target.hostname) : [target.address];
        if (isPromise(answer)) {
          answer
            .then((addresses) => this.#start(attempt, addresses, request.trusted))
            .catch((error: unknown) => attempt.unresolved(error));
        } else this.#start(attempt, answer, request.trusted);
      } catch (error) {
        attempt.unresolved(error);
      }
    });
  }

  /**
   * What the text of a URL and the addresses of its host say, without a connection: for the answer to a subscribe
   * (OP-09). `unresolvable` also when the resolver does not answer within `timeoutMs`; `local_fault` when it cannot be
   * asked. A `trusted` one may be at any address.
   */
  async inspect(
    url: string,
    timeoutMs: number,
    { trusted = false, located }: InspectOptions = {},
  ): Promise<'ok' | 'blocked' | 'unresolvable' | 'local_fault'> {
    const target = this.#targets.get(url);
    if (target === undefined || !(trusted || target.isPublic)) return 'blocked';
    try {
      const { address, hostname } = target;
      const resolving = async (): Promise<readonly string[]> =>
        address === undefined ? (trusted ? this.#resolveTrusted : this.#resolvePublic)(hostname) : [address];
      const addresses: readonly string[] | undefined = await withTimeLimit(
        this.#clock,
        timeoutMs,
        'Resolving a callback',
        resolving(),
      );
      if (addresses === undefined || addresses.length === 0) return 'unresolvable';
      if (!this.#mayDial(addresses, trusted)) return 'blocked';
      located?.(addresses);
      return 'ok';
    } catch (error) {
      if (!isLocalFault(error)) return 'unresolvable';
      this.#localFaults.seen(error);
      return 'local_fault';
    }
  }

  /** Closes all connections; requests that are under way fail. */
  async close(): Promise<void> {
    this.#context.connections.close();
  }

  /** @param answer a resolver of somebody else's may answer nothing at all */
  #start(attempt: Attempt, answer: readonly string[] | undefined, trusted: boolean): void {
    // A copy, so that what was checked is what is dialled whatever the resolver does with its answer.
    const addresses = [...(answer ?? [])];
    if (addresses.length === 0) attempt.fail('connection_refused');
    else if (this.#mayDial(addresses, trusted)) attempt.start(addresses);
    else attempt.fail('blocked');
  }

  #mayDial(addresses: readonly string[], trusted: boolean): boolean {
    return addresses.every((address) => (trusted ? isIP(address) !== 0 : this.#policy.allows(address)));
  }
}
