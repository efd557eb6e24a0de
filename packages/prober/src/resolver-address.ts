/** The resolvers a node uses, as bare addresses: what a probe of port 53 can query. */
import { literalFamily } from "@lifeline/measure";

/** Most resolvers named: glibc uses three (resolv.conf(5), MAXNS), and Talos lists what DHCP gave besides. */
export const RESOLVERS_MAX = 8;

/** The port of DNS (RFC 1035 §4.2). */
const DNS_PORT = "53";

/** The server where the file names none: "the name server on the local machine" (resolv.conf(5)). */
const LOCAL_RESOLVER = "127.0.0.1";

/** The servers that the text of a resolv.conf names, as written. */
export function resolversOf(resolvConf: string): readonly string[] {
  const named = [...resolvConf.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].flatMap(([, server]) => server ?? []);
  return named.length === 0 ? [LOCAL_RESOLVER] : named;
}

/** The bare addresses of resolvers as they are written, each once, at most {@link RESOLVERS_MAX}. */
export function resolverAddresses(written: readonly string[]): readonly string[] {
  const addresses = written.map(resolverAddress).filter((address) => address !== undefined);
  return [...new Set(addresses)].slice(0, RESOLVERS_MAX);
}

/**
 * The bare address of a resolver written as `address`, `address:port` or `[v6]:port`; a link-local one with its zone,
 * without which it has no route. Undefined for another port than 53, where a probe of port 53 would blame the wrong
 * service, and for a name.
 */
function resolverAddress(written: string): string | undefined {
  if (literalFamily(written) !== undefined) return written;
  const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([\d.]+)):(\d+)$/.exec(written) ?? [];
  const address = v6 ?? v4 ?? "";
  return port === DNS_PORT && literalFamily(address) === (v6 === undefined ? 4 : 6) ? address : undefined;
}
