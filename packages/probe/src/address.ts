/** Address literals: which family they are of, and a fixed order for sets of them. */
import type { IpFamily } from "@lifeline/measure";
import ipaddr from "ipaddr.js";

/** The family of a literal, or undefined when `text` is none. IPv4-mapped IPv6 counts as IPv6; zones are not accepted. */
export function literalFamily(text: string): IpFamily | undefined {
  if (text.includes("%")) return undefined;
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return 4;
  return ipaddr.IPv6.isValid(text) ? 6 : undefined;
}

/** `addresses` without repeats, in ascending order of their bytes: the same set always reads the same, and starts the same. */
export function sortedAddresses(addresses: readonly string[]): readonly string[] {
  const keyed = [...new Set(addresses)].map((address) => ({ address, bytes: Buffer.from(bytesOf(address)) }));
  return keyed.sort((a, b) => Buffer.compare(a.bytes, b.bytes)).map(({ address }) => address);
}

function bytesOf(address: string): number[] {
  return ipaddr.parse(address).toByteArray();
}
