/** The source of a connection, which limits apply to. */

/**
 * The source of an address: an IPv4 address itself, or the first 64 bits of an IPv6 address, such as `2001:db8:0:1`. A
 * site has these 64 bits for itself (RFC 6177), so one host may use any number of addresses within them. An IPv4-mapped
 * address is the IPv4 address; a zone id (`fe80::1%eth0`) is left out. Any other text is its own source.
 */
export function sourceOf(address: string): string {
  const [bare = ""] = address.split("%", 1);
  if (!bare.includes(":")) return bare;
  const mapped = /^(?:0*:)*:?ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  if (mapped?.[1] !== undefined) return mapped[1];
  const [head = "", tail] = bare.split("::", 2);
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const [before, after] = [groups(head), groups(tail ?? "")];
  // An embedded IPv4 address takes the place of two groups.
  const taken = before.length + after.length + (after.at(-1)?.includes(".") ? 1 : 0);
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - taken) }, () => "0");
  return [...before, ...zeros, ...after]
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":");
}

/**
 * The network of a source: a /48 of IPv6 (RFC 6177), 65,536 sources, or a /24 of IPv4. One site or host may have all of
 * it. Eviction and turns choose by network first, so that many sources of one network gain nothing.
 */
export function networkOf(source: string): string {
  return source.includes(":") ? source.split(":").slice(0, 3).join(":") : source.split(".").slice(0, 3).join(".");
}
