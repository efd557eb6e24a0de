/**
 * From the kernel's errno to a {@link Reason}, by one table. The same errno means different things in different places.
 */
import type { Reason } from "@lifeline/measure";

/**
 * Where an errno was seen.
 *
 * - `connect`: from `connect(2)` on TCP, at once or by ICMP.
 * - `stream`: on an established TCP connection.
 * - `datagram-send`: from `connect(2)` or `send(2)` on UDP. It comes from this node's own tables, and nothing was sent.
 * - `datagram-answer`: read from a connected UDP socket. It was an ICMP error.
 */
export type ErrnoPlace = "connect" | "stream" | "datagram-send" | "datagram-answer";

interface ErrnoRow {
  readonly connect: Reason;
  readonly stream: Reason;
  readonly "datagram-send": Reason;
  readonly "datagram-answer": Reason;
}

const same = (reason: Reason): ErrnoRow => ({
  connect: reason,
  stream: reason,
  "datagram-send": reason,
  "datagram-answer": reason,
});

const RESOURCE = same("agent-resource");

/**
 * Sources: connect(2), udp(7), icmp(7); Linux `net/ipv4/icmp.c` icmp_err_convert and `net/ipv6/icmp.c` tab_unreach. A
 * connected UDP socket gets an ICMP error only when the kernel calls it fatal: port-unreachable (ECONNREFUSED) and
 * administratively prohibited (EHOSTUNREACH on IPv4, EACCES on IPv6). So EHOSTUNREACH read from UDP comes from a
 * filter, from TCP it comes from a router, and from a UDP `connect` from this node's own routing table.
 */
const ERRNO: Readonly<Record<string, ErrnoRow>> = {
  ECONNREFUSED: { ...same("refused"), stream: "reset" },
  EHOSTUNREACH: {
    connect: "host-unreachable",
    stream: "host-unreachable",
    "datagram-send": "network-unreachable",
    "datagram-answer": "admin-prohibited",
  },
  EHOSTDOWN: same("host-unreachable"),
  ENETUNREACH: same("network-unreachable"),
  ENETDOWN: same("network-unreachable"),
  EADDRNOTAVAIL: RESOURCE,
  // A blackhole route (ip-route(8)): this node drops the packet itself.
  EINVAL: same("network-unreachable"),
  EACCES: same("admin-prohibited"),
  EPERM: same("admin-prohibited"),
  ECONNRESET: same("reset"),
  ECONNABORTED: same("reset"),
  EPIPE: same("reset"),
  EPROTO: same("reset"),
  ETIMEDOUT: { ...same("timeout"), stream: "handshake-timeout" },
  // ICMP protocol-unreachable: the host is there and does not speak this transport.
  ENOPROTOOPT: same("refused"),
  // Larger than the device's MTU, or than a router said it could pass on (ip(7), IP_MTU_DISCOVER).
  EMSGSIZE: {
    ...RESOURCE,
    "datagram-send": "mtu-too-small",
    "datagram-answer": "mtu-too-small",
  },
  EMFILE: RESOURCE,
  ENFILE: RESOURCE,
  ENOBUFS: RESOURCE,
  ENOMEM: RESOURCE,
  EADDRINUSE: RESOURCE,
  // The kernel was built or booted without this family (IPv6 disabled).
  EAFNOSUPPORT: same("network-unreachable"),
};

/** The reason for an errno at a place. An errno that is not in the table is a fault of this node: `agent-resource`. */
export function reasonOfErrno(code: string, place: ErrnoPlace): Reason {
  return (Object.hasOwn(ERRNO, code) ? ERRNO[code]?.[place] : undefined) ?? "agent-resource";
}

/** The stable code of anything thrown or emitted by Node; `UNKNOWN` when it carries none. */
export function codeOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string") {
    return error.code;
  }
  return "UNKNOWN";
}
