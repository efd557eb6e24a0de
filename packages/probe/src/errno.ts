/**
 * What the kernel says, in the words of {@link Reason}. One table; a code is looked up, a message is never read.
 *
 * The same errno means different things by where it comes from: see the columns.
 */
import type { Reason } from "@lifeline/measure";

/**
 * - `connect`: from `connect(2)` on TCP, at once or by ICMP.
 * - `stream`: on an established TCP connection.
 * - `datagram-send`: from `connect(2)` or `send(2)` on UDP: this node's own tables, nothing has left.
 * - `datagram-answer`: read back from a connected UDP socket: an ICMP error came.
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
 * Sources: connect(2), udp(7), icmp(7); Linux `net/ipv4/icmp.c` icmp_err_convert and `net/ipv6/icmp.c` tab_unreach. Of an
 * unconnected-style error a connected UDP socket is told only when the kernel calls it fatal, which leaves port-unreachable
 * (ECONNREFUSED) and administratively prohibited (EHOSTUNREACH on IPv4, EACCES on IPv6): so EHOSTUNREACH *read back* from UDP
 * is a filter, while from TCP it is a router, and from a UDP `connect` it is this node's own routing table.
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

/** The reason for an errno seen at a place; one that is not in the table is this node's own trouble: `agent-resource`. */
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
