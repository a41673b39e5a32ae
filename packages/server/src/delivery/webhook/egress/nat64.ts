import ipaddr from 'ipaddr.js';

/** Where IPv4 addresses stand in IPv6 ones of a network that translates (RFC 6052). */
interface Prefix {
  readonly network: ipaddr.IPv6;
  readonly bits: number;
}

const LENGTHS: ReadonlySet<number> = new Set([32, 40, 48, 56, 64, 96]);

/** The byte that RFC 6052 keeps free in all prefixes but the longest. */
const RESERVED_BYTE = 8;

/** Reads the `nat64Prefixes` option. Throws a `TypeError` for what is no such prefix. */
export function readNat64Prefixes(given: unknown): readonly Prefix[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw new TypeError('webhooks.egress.nat64Prefixes must be an array of IPv6 prefixes');
  return given.map((text: unknown) => {
    const prefix = typeof text === 'string' ? parse(text) : undefined;
    if (prefix !== undefined) return prefix;
    throw new TypeError(
      `webhooks.egress.nat64Prefixes: expected an IPv6 prefix of ${[...LENGTHS].join(', ')} bits, such as "64:ff9b::/96", not ${JSON.stringify(text)}`,
    );
  });
}

/** The IPv4 address that an address of these networks leads to; `undefined` when it is in none of them. */
export function translated(address: ipaddr.IPv6, prefixes: readonly Prefix[]): ipaddr.IPv4 | undefined {
  const prefix = prefixes.find(({ network, bits }) => address.match(network, bits));
  if (prefix === undefined) return undefined;
  const bytes = address.toByteArray();
  const embedded: number[] = [];
  for (let at = prefix.bits / 8; embedded.length < 4; at++) {
    if (at !== RESERVED_BYTE || prefix.bits === 96) embedded.push(bytes[at] as number);
  }
  return new ipaddr.IPv4(embedded);
}

function parse(text: string): Prefix | undefined {
  if (!ipaddr.IPv6.isValidCIDR(text)) return undefined;
  const [network, bits] = ipaddr.IPv6.parseCIDR(text);
  return LENGTHS.has(bits) ? { network, bits } : undefined;
}
