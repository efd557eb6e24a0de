/** Address literals: which family they are of, and a fixed order for sets of them. */
import { isIP } from "node:net";
import type { IpFamily } from "@lifeline/measure";
import ipaddr from "ipaddr.js";

/**
 * The family of a literal, or undefined when `text` is none. IPv4-mapped IPv6 counts as IPv6; zones are not accepted.
 * What Node takes for no literal when it connects, it hands to getaddrinfo: so Node's own reading decides.
 */
export function literalFamily(text: string): IpFamily | undefined {
  if (text.includes("%")) return undefined;
  const family = isIP(text);
  return family === 4 || family === 6 ? family : undefined;
}

/** `addresses` without repeats, in ascending order of their bytes: the same set always reads the same, and starts the same. */
export function sortedAddresses(addresses: readonly string[]): readonly string[] {
  const keyed = [...new Set(addresses)].map((address) => ({ address, bytes: Buffer.from(bytesOf(address)) }));
  return keyed.sort((a, b) => Buffer.compare(a.bytes, b.bytes)).map(({ address }) => address);
}

function bytesOf(address: string): number[] {
  return ipaddr.parse(address).toByteArray();
}
