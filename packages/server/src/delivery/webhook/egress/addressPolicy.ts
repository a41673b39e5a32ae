import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { readNat64Prefixes, translated } from './nat64.ts';

/** Verdicts kept; what a server sends to within seconds is far less. */
const MAX_VERDICTS = 10_000;

/**
 * Whether `address` may be dialled on behalf of a stranger (SSRF-02): globally reachable by IANA's special-purpose
 * registries. What those list as reachable, but is infrastructure (AS112, AMT, protocol anycast), is refused too.
 *
 * IPv6 is allowed only where unicast addresses are assigned, 2000::/3. That leaves out, without a list that could miss
 * one, every form that carries an IPv4 address elsewhere: mapped, translated (NAT64, also 64:ff9b:1::/48), compatible.
 * 6to4 and Teredo lie inside and are special ranges.
 */
export function isGloballyReachable(address: string): boolean {
  if (isIPv4(address)) return ipaddr.IPv4.parse(address).range() === 'unicast';
  // A zone id names a link of this machine.
  if (!isIPv6(address) || address.includes('%')) return false;
  const parsed = ipaddr.IPv6.parse(address);
  return ((parsed.parts[0] as number) & 0xe000) === 0x2000 && parsed.range() === 'unicast';
}

/** {@link isGloballyReachable}, remembered: every attempt asks about every address of its host. */
export class AddressPolicy {
  readonly #verdicts = new Map<string, boolean>();
  readonly #nat64Prefixes: ReturnType<typeof readNat64Prefixes>;

  /**
   * @param nat64Prefixes networks whose addresses the operator knows to lead to the IPv4 addresses in them, which decide
   *   then (SSRF-14). Throws a `TypeError` for what is no such prefix
   */
  constructor(nat64Prefixes?: unknown) {
    this.#nat64Prefixes = readNat64Prefixes(nat64Prefixes);
  }

  allows(address: string): boolean {
    let verdict = this.#verdicts.get(address);
    if (verdict === undefined) {
      if (this.#verdicts.size >= MAX_VERDICTS) this.#verdicts.clear();
      this.#verdicts.set(address, (verdict = isGloballyReachable(this.#reached(address))));
    }
    return verdict;
  }

  /** The address that is reached by way of this one. */
  #reached(address: string): string {
    if (this.#nat64Prefixes.length === 0 || !isIPv6(address) || address.includes('%')) return address;
    return translated(ipaddr.IPv6.parse(address), this.#nat64Prefixes)?.toString() ?? address;
  }
}
