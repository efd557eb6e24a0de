/**
 * How one attempt ended: a closed list of reasons, each with its kind, its blame and its cause.
 *
 * 1. A kind says what the attempt proves about the packet. Loss is computed from kinds (RFC 7680, RFC 2681).
 * 2. A reason says what the probe saw. A cause is what an SRE acts on; several reasons may share one cause.
 * 3. *not-sent*, *late*, *silent* and *lost* stay apart (M3, M4).
 */

/**
 * - `answered`: the endpoint answered as it should.
 * - `rejected`: something answered, but not as the requirement demands (refused, wrong certificate, wrong status).
 *   A packet travelled both ways, so this is not loss.
 * - `lost`: sent, and no answer within the loss threshold (the target's timeout).
 * - `late`: an answer came after the threshold. It counts neither as a latency nor as a loss.
 * - `silent`: sent to a peer that need not answer, such as WireGuard. It proves nothing.
 * - `not-sent`: no packet left for the endpoint.
 * - `observed`: nothing was sent; a counter of the node was read. No loss ratio includes it.
 */
export const OUTCOME_KINDS = ["answered", "rejected", "lost", "late", "silent", "not-sent", "observed"] as const;
export type OutcomeKind = (typeof OUTCOME_KINDS)[number];

/** Who must act; `none`: no one has to. `agent`: the measurement itself failed and says nothing about the network. */
export type Blame = "none" | "agent" | "node" | "resolver" | "proxy" | "path" | "peer" | "interception";

/** The part of the attempt in which it ended. */
export const PHASES = ["plan", "dns", "connect", "tls", "request", "first-byte", "proxy"] as const;
export type Phase = (typeof PHASES)[number];

interface ReasonFacts {
  readonly kind: OutcomeKind;
  readonly blame: Blame;
  /** What an SRE acts on; `none` for good reasons only. */
  readonly cause: Cause;
  readonly meaning: string;
}

/** Causes: stable names for people, dashboards and alerts. */
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
  "dns-one-family",
  "no-common-family",
  "refused",
  "wrong-endpoint",
  "timeout",
  "unreachable",
  "filtered",
  "reset",
  "loss",
  "latency",
  "dead-address",
  "ipv4-unreachable",
  "ipv6-unreachable",
  "tls-untrusted",
  "tls-incomplete-chain",
  "tls-intercepted",
  "tls-name",
  "tls-expired",
  "tls-not-yet-valid",
  "tls-ends-soon",
  "tls-filtered",
  "tls-protocol",
  "clock",
  "http-status",
  "http-redirected",
  "http-protocol",
  "unexpected-page",
  "upstream-down",
  "rate-limited",
  "grpc-protocol",
  "not-machine-api",
  "grpc-denied",
  "grpc-credentials",
  "grpc-status",
  "not-a-registry",
  "object-missing",
  "token-host",
  "proxy",
  "no-proxy",
  "stamp-protocol",
  "stamp-key",
  "udp-blocked",
  "forward-path-blocked",
  "return-path-blocked",
  "tunnel-stale",
  "server-unresponsive",
  "grpc-tunnel-stalled",
  "not-joined",
  "other-omni",
  "hairpin",
  "ipv6-disabled",
  "path-mtu",
  "duplicate-node",
  "time-unsynchronised",
  "time-unproven",
  "unsupported-proxy",
  "no-evidence",
  "no-data",
  "not-measured",
] as const;
export type Cause = (typeof CAUSES)[number];

const facts = {
  answered: { kind: "answered", blame: "none", cause: "none", meaning: "the endpoint answered as it should" },

  "dns-nxdomain": {
    kind: "not-sent",
    blame: "resolver",
    cause: "dns-nxdomain",
    meaning: "the resolver says that the name does not exist",
  },
  "dns-nodata": {
    kind: "not-sent",
    blame: "none",
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
    meaning: "a router reports that the host is unreachable",
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
    meaning: "a firewall rejects this (ICMP administratively prohibited)",
  },
  reset: {
    kind: "rejected",
    blame: "path",
    cause: "reset",
    meaning: "the connection was established, then reset or closed before the exchange ended",
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
    meaning: "a certificate of the chain is not valid yet",
  },
  "tls-expired": {
    kind: "rejected",
    blame: "peer",
    cause: "tls-expired",
    meaning: "a certificate of the chain has expired",
  },
  "tls-protocol": { kind: "rejected", blame: "peer", cause: "tls-protocol", meaning: "TLS could not be negotiated" },
  "tls-alert": {
    kind: "rejected",
    blame: "peer",
    cause: "tls-protocol",
    meaning: "the other side ended the TLS handshake with an alert",
  },
  "tls-plaintext": {
    kind: "rejected",
    blame: "peer",
    cause: "tls-protocol",
    meaning: "the answer to the TLS ClientHello is not TLS, such as plain HTTP",
  },
  "alpn-mismatch": {
    kind: "rejected",
    blame: "peer",
    cause: "tls-protocol",
    meaning: "the server did not agree to the application protocol (ALPN) that the endpoint must speak",
  },

  "http-status": {
    kind: "rejected",
    blame: "peer",
    cause: "http-status",
    meaning: "an HTTP status that is not an expected one",
  },
  "http-redirected": {
    kind: "rejected",
    blame: "interception",
    cause: "http-redirected",
    meaning:
      "redirected outside the documented hosts: a captive portal, a block page, or a host that no document names",
  },
  "http-protocol": {
    kind: "rejected",
    blame: "peer",
    cause: "http-protocol",
    meaning: "the answer is not the HTTP version requested",
  },
  "grpc-protocol": {
    kind: "rejected",
    blame: "peer",
    cause: "grpc-protocol",
    meaning: "the answer is not gRPC: a reverse proxy without gRPC, or another service",
  },
  "stamp-malformed": {
    kind: "rejected",
    blame: "peer",
    cause: "stamp-protocol",
    meaning: "a datagram came back that is not a reply to this STAMP packet",
  },

  // Answers to a dns probe. Unlike with the dns-… reasons above, a packet reached the measured endpoint, the resolver,
  // and one came back. That a name does not exist, or has no address, is an answer: the resolver does its work.
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
    meaning: "the resolver refused the query (REFUSED)",
  },
  "answer-malformed": {
    kind: "rejected",
    blame: "resolver",
    cause: "dns-malformed",
    meaning: "the resolver's answer could not be read",
  },

  silent: {
    kind: "silent",
    blame: "none",
    cause: "no-evidence",
    meaning: "sent, nothing came back, and this peer need not answer: no evidence either way",
  },
  late: { kind: "late", blame: "path", cause: "latency", meaning: "the answer came after the loss threshold" },

  stalled: {
    kind: "not-sent",
    blame: "agent",
    cause: "not-measured",
    meaning: "the agent's own event loop stalled; the sample says nothing about the network",
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
    meaning: "the proxy could not be reached, or did not answer as a proxy",
  },
  "proxy-refused": {
    kind: "not-sent",
    blame: "proxy",
    cause: "proxy",
    meaning: "the proxy refused to open the connection",
  },
  "proxy-auth": {
    kind: "not-sent",
    blame: "proxy",
    cause: "proxy",
    meaning: "the proxy requires credentials; none were given, or they are wrong",
  },

  "mtu-too-small": {
    kind: "rejected",
    blame: "path",
    cause: "path-mtu",
    meaning: "small datagrams pass, but none of the size that SideroLink needs",
  },

  "link-alive": {
    kind: "observed",
    blame: "none",
    cause: "none",
    meaning: "the tunnel's interface has received packets since it was last read",
  },
  "link-idle": {
    kind: "observed",
    blame: "none",
    cause: "no-evidence",
    meaning: "too few packets were sent through the tunnel to judge it by the answers",
  },
  "link-frozen": {
    kind: "observed",
    blame: "path",
    cause: "timeout",
    meaning: "the tunnel's interface sends packets and receives none",
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

  "syn-lost": {
    kind: "lost",
    blame: "path",
    cause: "loss",
    meaning: "the first SYN was lost, and the one that the kernel sent again was answered",
  },

  "rate-limited": {
    kind: "rejected",
    blame: "peer",
    cause: "rate-limited",
    meaning: "the endpoint asks to be left alone: it is asked too often, or does not serve this address",
  },
  "rate-held": {
    kind: "not-sent",
    blame: "peer",
    cause: "rate-limited",
    meaning: "not asked, because the endpoint asked to be left alone and that time is not over",
  },
  "unexpected-page": {
    kind: "rejected",
    blame: "interception",
    cause: "unexpected-page",
    meaning: "the status is right and the body is not: a login, maintenance or block page answers",
  },
  "upstream-down": {
    kind: "rejected",
    blame: "peer",
    cause: "upstream-down",
    meaning: "a proxy answers in front of the endpoint, and the service behind it is down",
  },
  "grpc-other-server": {
    kind: "rejected",
    blame: "peer",
    cause: "not-machine-api",
    meaning: "a gRPC server answers that does not have the service: it is not the Machine API",
  },
  "grpc-denied": {
    kind: "rejected",
    blame: "peer",
    cause: "grpc-denied",
    meaning: "a proxy in front of the endpoint denies the call",
  },
  "grpc-credentials": {
    kind: "rejected",
    blame: "peer",
    cause: "grpc-credentials",
    meaning: "a proxy in front of the endpoint requires credentials, which nodes do not have",
  },
  "grpc-status": {
    kind: "rejected",
    blame: "peer",
    cause: "grpc-status",
    meaning: "a gRPC status that the service does not answer with",
  },
  "not-a-registry": {
    kind: "rejected",
    blame: "peer",
    cause: "not-a-registry",
    meaning: "the answer to /v2/ is not that of a container registry",
  },
  "registry-private": {
    kind: "answered",
    blame: "none",
    cause: "none",
    meaning: "a registry answers and requires credentials, which this agent does not have: its images are not proven",
  },
  "object-missing": {
    kind: "rejected",
    blame: "peer",
    cause: "object-missing",
    meaning: "the registry answers that a public image that it must have does not exist",
  },
  "object-unproven": {
    kind: "rejected",
    blame: "none",
    cause: "object-missing",
    meaning: "a registry answers, and it does not have the image asked for: nothing is known of its other images",
  },
  "token-host-undocumented": {
    kind: "rejected",
    blame: "none",
    cause: "no-evidence",
    meaning:
      "a registry answers and requires a token from a host that no document names, which was not asked: its images are not proven",
  },
  "token-host-unreachable": {
    kind: "rejected",
    blame: "path",
    cause: "token-host",
    meaning: "the registry answers, and the host that gives its tokens does not: nothing can be pulled",
  },
  "redirect-not-allowed": {
    kind: "not-sent",
    blame: "interception",
    cause: "http-redirected",
    meaning: "not asked, because the redirect leads to a loopback, link-local or private address",
  },

  "time-unsynchronised": {
    kind: "rejected",
    blame: "peer",
    cause: "time-unsynchronised",
    meaning: "the time server answers, and is not synchronised itself",
  },
  "ntp-stray": {
    kind: "lost",
    blame: "interception",
    cause: "time-unproven",
    meaning: "something answers in place of the time server: no datagram that came back answers this request",
  },
  "nts-key-exchange": {
    kind: "rejected",
    blame: "peer",
    cause: "time-unproven",
    meaning: "the time is not proven by NTS: the answer to the key exchange is not one of NTS",
  },
  "nts-refused": {
    kind: "rejected",
    blame: "peer",
    cause: "time-unproven",
    meaning: "the time is not proven by NTS: the server refused the key exchange",
  },
  "nts-silent": {
    kind: "lost",
    blame: "path",
    cause: "timeout",
    meaning: "the NTS key exchange works, and the time server did not answer the protected request over UDP",
  },
  "nts-unproven": {
    kind: "rejected",
    blame: "interception",
    cause: "time-unproven",
    meaning: "the time is not proven by NTS: the answer over UDP does not carry the proof of the server",
  },
  "nts-nak": {
    kind: "rejected",
    blame: "peer",
    cause: "time-unproven",
    meaning: "the time is not proven by NTS: the time server rejected the cookie of its own key exchange (NTS NAK)",
  },

  "proxy-auth-scheme": {
    kind: "not-sent",
    blame: "proxy",
    cause: "proxy",
    meaning: "the proxy wants a kind of authentication that neither Talos (Go net/http) nor Lifeline speaks",
  },
  "proxy-untrusted": {
    kind: "not-sent",
    blame: "proxy",
    cause: "proxy",
    meaning: "the certificate of the HTTPS proxy is not accepted",
  },
  "tunnel-one-way": {
    kind: "lost",
    blame: "path",
    cause: "timeout",
    meaning: "sent through the tunnel, and nothing came back, while the tunnel received other packets",
  },
} as const satisfies Record<string, ReasonFacts>;

/** What the probe saw; stable, closed, and part of the wire contract (append only). */
export type Reason = keyof typeof facts;

/** Every reason, in the order of declaration. */
export const REASONS = Object.keys(facts) as readonly Reason[];

/** The facts of a reason: its kind, blame, cause and meaning. */
export function reasonFacts(reason: Reason): ReasonFacts {
  return facts[reason];
}

/** How one attempt ended: why, and in which phase. */
export interface Outcome {
  readonly reason: Reason;
  readonly phase: Phase;
}

/**
 * What an outcome says about the requirement. `silent`: sent, and a peer that need not answer did not. `inconclusive`:
 * not measured. Neither of these two confirms or refutes the requirement (M4).
 */
export type OutcomeClass = "good" | "bad" | "silent" | "inconclusive";

/** Whether an attempt ended as it should. A late answer does not, although it is good: the endpoint answers. */
export function isFlawless(reason: Reason): boolean {
  return facts[reason].cause === "none";
}

/** Reasons of an endpoint that answered, though not in time. The judge decides how many of them degrade a target. */
const ANSWERED_AFTER_ALL: readonly Reason[] = ["late", "syn-lost"];

/** The class of a reason. A window seals when it changes, and the judge counts runs of one class. */
export function outcomeClassOf(reason: Reason): OutcomeClass {
  const { kind, blame, cause } = facts[reason];
  if (cause === "none" || ANSWERED_AFTER_ALL.includes(reason)) return "good";
  if (kind === "silent") return "silent";
  if (blame === "agent" || blame === "none") return "inconclusive";
  return "bad";
}

/**
 * Whether a reason means that no answer came, which chance may cause. Other bad reasons are rejections: somebody
 * answered.
 */
export function isSilence(reason: Reason): boolean {
  const { kind } = facts[reason];
  return kind === "lost" || kind === "late" || reason === "dns-timeout";
}

/**
 * How long a silent attempt is watched after its threshold: 2 s. A connect is then watched for 2.95 s, twice the round
 * trip of a path over two satellites (some 1.2 s). Linux sends its third SYN at 3 s at the earliest where timeouts
 * double (RFC 6298 §5.5), so an answer belongs to the first SYN or to the second. A silence is known for certain three
 * seconds after it began, which leaves time to show three of them within five.
 */
export const LATE_WATCH_MS = 2_000;
