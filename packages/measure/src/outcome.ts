/**
 * What became of one attempt: a closed list of reasons, each with its kind, its blame and its cause.
 *
 * 1. A kind says what the attempt proves about the packet; it is what loss is counted from (RFC 7680, RFC 2681).
 * 2. A reason says what was seen. A cause is the word an SRE acts on; several reasons may share one.
 * 3. *not-sent*, *late*, *silent* and *lost* are never folded into one another (M3, M4).
 */

/**
 * - `answered`: the endpoint answered, and as it should.
 * - `rejected`: something answered, and it is not what the requirement asks for (refused, wrong certificate, wrong status).
 *   The path carried a packet both ways, so it is not loss.
 * - `lost`: sent, and no answer within the loss threshold (the target's timeout).
 * - `late`: an answer was seen, but after the threshold: neither a latency nor a loss.
 * - `silent`: sent to a peer that need not answer; proves nothing (WireGuard).
 * - `not-sent`: no packet left for the endpoint.
 * - `observed`: nothing was sent by us; a counter of the node was read. Outside every loss ratio.
 */
export const OUTCOME_KINDS = ["answered", "rejected", "lost", "late", "silent", "not-sent", "observed"] as const;
export type OutcomeKind = (typeof OUTCOME_KINDS)[number];

/** Who would have to act; `agent` means that the measurement itself failed and says nothing of the network. */
export type Blame = "nobody" | "agent" | "node" | "resolver" | "proxy" | "path" | "peer" | "interception";

/** The part of an attempt in which it ended. */
export const PHASES = ["plan", "dns", "connect", "tls", "request", "first-byte", "proxy"] as const;
export type Phase = (typeof PHASES)[number];

interface ReasonFacts {
  readonly kind: OutcomeKind;
  readonly blame: Blame;
  /** The word shown to people; `none` only for what is good. */
  readonly cause: Cause;
  readonly meaning: string;
}

/** Causes: stable words for people, dashboards and alerts. */
export const CAUSES = [
  "none",
  "dns-nxdomain",
  "dns-nodata",
  "dns-servfail",
  "dns-refused",
  "dns-timeout",
  "dns-unreachable",
  "dns-malformed",
  "dns-drift",
  "refused",
  "wrong-endpoint",
  "timeout",
  "unreachable",
  "filtered",
  "reset",
  "loss",
  "tls-untrusted",
  "tls-incomplete-chain",
  "tls-intercepted",
  "tls-name",
  "tls-expired",
  "tls-protocol",
  "clock",
  "http-status",
  "http-redirected",
  "http-protocol",
  "grpc-protocol",
  "proxy",
  "no-proxy",
  "stamp-protocol",
  "stamp-key",
  "udp-blocked",
  "forward-path-blocked",
  "return-path-blocked",
  "tunnel-stale",
  "not-joined",
  "ipv6-disabled",
  "path-mtu",
  "duplicate-node",
  "no-evidence",
  "no-data",
  "not-measured",
] as const;
export type Cause = (typeof CAUSES)[number];

const facts = {
  answered: { kind: "answered", blame: "nobody", cause: "none", meaning: "the endpoint answered as it should" },

  "dns-nxdomain": {
    kind: "not-sent",
    blame: "resolver",
    cause: "dns-nxdomain",
    meaning: "the resolver says that the name does not exist",
  },
  "dns-nodata": {
    kind: "not-sent",
    blame: "nobody",
    cause: "dns-nodata",
    meaning: "the name exists, but has no address of this family",
  },
  "dns-servfail": {
    kind: "not-sent",
    blame: "resolver",
    cause: "dns-servfail",
    meaning: "the resolver failed (SERVFAIL)",
  },
  "dns-refused": {
    kind: "not-sent",
    blame: "resolver",
    cause: "dns-refused",
    meaning: "the resolver refused the query (REFUSED)",
  },
  "dns-timeout": { kind: "not-sent", blame: "resolver", cause: "dns-timeout", meaning: "no resolver answered in time" },
  "dns-unreachable": {
    kind: "not-sent",
    blame: "resolver",
    cause: "dns-unreachable",
    meaning: "no resolver could be reached (connection refused or no route)",
  },
  "dns-malformed": {
    kind: "not-sent",
    blame: "resolver",
    cause: "dns-malformed",
    meaning: "the resolver's answer could not be read",
  },

  refused: {
    kind: "rejected",
    blame: "peer",
    cause: "refused",
    meaning: "a reset or a port-unreachable came back: nothing listens, or a firewall rejects",
  },
  timeout: {
    kind: "lost",
    blame: "path",
    cause: "timeout",
    meaning: "sent, and nothing came back before the loss threshold",
  },
  "host-unreachable": {
    kind: "rejected",
    blame: "path",
    cause: "unreachable",
    meaning: "a router says the host is unreachable",
  },
  "network-unreachable": {
    kind: "not-sent",
    blame: "node",
    cause: "unreachable",
    meaning: "this node has no route to the address",
  },
  "admin-prohibited": {
    kind: "rejected",
    blame: "path",
    cause: "filtered",
    meaning: "a firewall says it prohibits this (ICMP administratively prohibited)",
  },
  reset: {
    kind: "rejected",
    blame: "path",
    cause: "reset",
    meaning: "the connection was established, then reset or closed before it was done",
  },
  "handshake-timeout": {
    kind: "rejected",
    blame: "path",
    cause: "timeout",
    meaning: "connected, but the exchange above TCP did not finish in time",
  },

  "tls-untrusted": {
    kind: "rejected",
    blame: "interception",
    cause: "tls-untrusted",
    meaning: "the certificate chain does not end at a trusted authority",
  },
  "tls-name-mismatch": {
    kind: "rejected",
    blame: "peer",
    cause: "tls-name",
    meaning: "the certificate is for another name",
  },
  "tls-not-yet-valid": {
    kind: "rejected",
    blame: "node",
    cause: "clock",
    meaning: "the certificate is not valid yet: check this node's clock",
  },
  "tls-expired": { kind: "rejected", blame: "peer", cause: "tls-expired", meaning: "the certificate has expired" },
  "tls-protocol": { kind: "rejected", blame: "peer", cause: "tls-protocol", meaning: "TLS could not be negotiated" },
  "alpn-mismatch": {
    kind: "rejected",
    blame: "peer",
    cause: "tls-protocol",
    meaning: "the server did not agree to the application protocol (ALPN) the endpoint must speak",
  },

  "http-status": {
    kind: "rejected",
    blame: "peer",
    cause: "http-status",
    meaning: "an HTTP status outside the expected ones",
  },
  "http-redirected": {
    kind: "rejected",
    blame: "interception",
    cause: "http-redirected",
    meaning: "redirected to a host that was not asked: a captive or block page",
  },
  "http-protocol": {
    kind: "rejected",
    blame: "peer",
    cause: "http-protocol",
    meaning: "the answer is not the HTTP version asked for",
  },
  "grpc-protocol": {
    kind: "rejected",
    blame: "peer",
    cause: "grpc-protocol",
    meaning: "an answer came, but not a gRPC one: a reverse proxy without gRPC, or another service",
  },
  "stamp-malformed": {
    kind: "rejected",
    blame: "peer",
    cause: "stamp-protocol",
    meaning: "a datagram came back that is no STAMP reply to ours",
  },

  // What the resolver itself answered to a dns probe: a packet went and one came back, unlike the dns-… reasons above.
  "answer-nxdomain": {
    kind: "rejected",
    blame: "resolver",
    cause: "dns-nxdomain",
    meaning: "the resolver answered that the name does not exist",
  },
  "answer-nodata": {
    kind: "rejected",
    blame: "resolver",
    cause: "dns-nodata",
    meaning: "the resolver answered that the name has no address",
  },
  "answer-servfail": {
    kind: "rejected",
    blame: "resolver",
    cause: "dns-servfail",
    meaning: "the resolver answered that it failed (SERVFAIL)",
  },
  "answer-refused": {
    kind: "rejected",
    blame: "resolver",
    cause: "dns-refused",
    meaning: "the resolver answered that it will not say (REFUSED)",
  },
  "answer-malformed": {
    kind: "rejected",
    blame: "resolver",
    cause: "dns-malformed",
    meaning: "the resolver's answer could not be read",
  },

  silent: {
    kind: "silent",
    blame: "nobody",
    cause: "no-evidence",
    meaning: "sent, nothing came back, and this peer need not answer: no evidence either way",
  },
  late: { kind: "late", blame: "path", cause: "timeout", meaning: "the answer came after the loss threshold" },

  stalled: {
    kind: "not-sent",
    blame: "agent",
    cause: "not-measured",
    meaning: "the agent's own event loop stalled; the sample says nothing of the network",
  },
  "agent-overload": {
    kind: "not-sent",
    blame: "agent",
    cause: "not-measured",
    meaning: "the agent already had as many attempts in flight as it allows",
  },
  "agent-resource": {
    kind: "not-sent",
    blame: "agent",
    cause: "not-measured",
    meaning: "the node refused a socket, a port, memory or permission",
  },
  "stamp-unkeyed": {
    kind: "not-sent",
    blame: "agent",
    cause: "stamp-key",
    meaning: "the reflector wants authenticated packets, and this agent has no key",
  },

  "tls-incomplete-chain": {
    kind: "rejected",
    blame: "peer",
    cause: "tls-incomplete-chain",
    meaning: "the server sent its own certificate without the intermediate one that leads to a trusted authority",
  },

  "proxy-unreachable": {
    kind: "not-sent",
    blame: "proxy",
    cause: "proxy",
    meaning: "the HTTP proxy could not be reached",
  },
  "proxy-refused": {
    kind: "not-sent",
    blame: "proxy",
    cause: "proxy",
    meaning: "the HTTP proxy would not open the connection",
  },
  "proxy-auth": {
    kind: "not-sent",
    blame: "proxy",
    cause: "proxy",
    meaning: "the HTTP proxy wants credentials (407) that were not given, or were wrong",
  },

  "mtu-too-small": {
    kind: "rejected",
    blame: "path",
    cause: "path-mtu",
    meaning: "small datagrams pass, and none of the size that SideroLink needs",
  },

  "link-alive": {
    kind: "observed",
    blame: "nobody",
    cause: "none",
    meaning: "the tunnel's interface has received since it was last read",
  },
  "link-idle": {
    kind: "observed",
    blame: "nobody",
    cause: "no-evidence",
    meaning: "too little has been sent through the tunnel for its silence to mean anything",
  },
  "link-frozen": {
    kind: "observed",
    blame: "path",
    cause: "udp-blocked",
    meaning: "the tunnel's interface sends and receives nothing",
  },
  "link-absent": {
    kind: "observed",
    blame: "node",
    cause: "not-joined",
    meaning: "this node has no siderolink interface",
  },
  "link-no-address": {
    kind: "observed",
    blame: "node",
    cause: "ipv6-disabled",
    meaning: "the siderolink interface has no IPv6 address",
  },
} as const satisfies Record<string, ReasonFacts>;

/** What was seen; stable, closed, and part of the wire contract (append only). */
export type Reason = keyof typeof facts;

/** Every reason, in the order of declaration. */
export const REASONS = Object.keys(facts) as readonly Reason[];

/** The facts of a reason: its kind, blame, cause and meaning. */
export function reasonFacts(reason: Reason): ReasonFacts {
  return facts[reason];
}

/** How one attempt ended: what was seen, and in which phase. */
export interface Outcome {
  readonly reason: Reason;
  readonly phase: Phase;
}

/** What an outcome says of the requirement: `inconclusive` ones neither confirm nor deny it (M4). */
export type OutcomeClass = "good" | "bad" | "inconclusive";

/** The class of a reason. A window seals when it changes, and the judge counts runs of one class. */
export function outcomeClassOf(reason: Reason): OutcomeClass {
  const { kind, blame, cause } = facts[reason];
  if (cause === "none") return "good";
  if (kind === "silent" || blame === "agent" || blame === "nobody") return "inconclusive";
  return "bad";
}
