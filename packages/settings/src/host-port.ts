/** `host:port`, and the loopback hosts. */
import { BlockList, isIP } from "node:net";

/** A host, without brackets, and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const HOST_PORT = {
  dial: /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/@?#]{1,253})):(\d{1,5})$/,
  listen: /^(?:\[([0-9A-Fa-f:.]+(?:%[^\]]+)?)\]|([^\s:[\]/@?#]{1,253})):(\d{1,5})$/,
};
const MIN_PORT = { dial: 1, listen: 0 };

/**
 * Host (at most 253 characters, RFC 1035 §2.3.4) and port, 1–65535, of `host:port` or `[v6]:port`; undefined when it is
 * neither. To listen, port 0 is allowed, and so is an IPv6 address with a zone (RFC 4007 §11), which only this host
 * knows.
 */
export function readHostPort(text: string, use: "dial" | "listen" = "dial"): HostPort | undefined {
  const match = HOST_PORT[use].exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < MIN_PORT[use] || port > 65_535) return undefined;
  return match?.[1] === undefined || isIP(host) === 6 ? { host, port } : undefined;
}

const loopback = new BlockList();
// RFC 1122 §3.2.1.3 and RFC 4291 §2.5.3.
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/**
 * Whether `host` is this very host: an address of loopback, or `localhost` (RFC 6761 §6.3). Another name may resolve to
 * anything.
 */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  return host === "localhost" || (family !== 0 && loopback.check(host, family === 4 ? "ipv4" : "ipv6"));
}
