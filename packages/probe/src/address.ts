/** A fixed order of address literals. */
import ipaddr from "ipaddr.js";

/** `addresses` without repeats, in ascending order of their bytes: the same set always gives the same list. */
export function sortedAddresses(addresses: readonly string[]): readonly string[] {
  const keyed = [...new Set(addresses)].map((address) => ({ address, bytes: Buffer.from(bytesOf(address)) }));
  return keyed.sort((a, b) => Buffer.compare(a.bytes, b.bytes)).map(({ address }) => address);
}

function bytesOf(address: string): number[] {
  return ipaddr.parse(address).toByteArray();
}
